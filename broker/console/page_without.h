// The page at "/" of a broker that was built without the console: why there is none, and how to get one.
#pragma once

#include <string_view>

namespace wherry::broker::console {

inline constexpr std::string_view page_without_console = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Wherry: no console in this build</title>
<style>
body { font: 16px/1.6 system-ui, sans-serif; max-width: 42rem; margin: 10vh auto; padding: 0 1.25rem; }
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { padding: 1rem; border: 1px solid #8886; border-radius: 8px; overflow-x: auto; }
</style>
</head>
<body>
<h1>This broker was built without its console</h1>
<p>The broker runs, and its <a href="/api/overview">HTTP API</a> answers. The web console is bundled while the broker is
built, with Node.js 18 or newer and npm. To get it, build on a machine that has both and reaches the npm registry:</p>
<pre>apt install nodejs npm
cmake --preset release -DWHERRY_CONSOLE=ON
scripts/build release wherry-broker</pre>
<p>With <code>ON</code> the build says what is missing; with <code>AUTO</code>, the default, it goes on without the console.
The Debian packages have it. Until then, <code>wherryctl --help</code> lists what can be seen and done from a shell.</p>
</body>
</html>
)";

}  // namespace wherry::broker::console
