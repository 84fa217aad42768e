# libwherry.so: the rooms that make clients, workers and schedulers, as one shared library. One and not two, because the
# worker is built on the client's link, log and codec: two would each have a copy, or show each other what is hidden here.
# While the version begins with 0 each minor version has a soname of its own: nothing is promised from one to the next.
set(WHERRY_ABI ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# The rooms with public headers are in it whole, those below them as far as they are needed.
add_library(wherry-shared SHARED
  $<TARGET_OBJECTS:wherry-task> $<TARGET_OBJECTS:wherry-sdk> $<TARGET_OBJECTS:wherry-worker>)
set_target_properties(wherry-shared PROPERTIES
  OUTPUT_NAME wherry EXPORT_NAME wherry VERSION ${PROJECT_VERSION} SOVERSION ${WHERRY_ABI} LINKER_LANGUAGE CXX)
target_link_libraries(wherry-shared PRIVATE wherry-worker wherry-sdk)
target_compile_features(wherry-shared INTERFACE cxx_std_20)
# Only what the public headers declare is seen from outside.
set(exports ${CMAKE_CURRENT_SOURCE_DIR}/exports.map)
target_link_options(wherry-shared PRIVATE "LINKER:--version-script=${exports}" "LINKER:-z,defs")
set_target_properties(wherry-shared PROPERTIES LINK_DEPENDS ${exports})
add_dependencies(programs wherry-shared)
