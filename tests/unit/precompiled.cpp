// Nothing: the one source of wherry-test-main that takes the precompiled header, so that it is built.
