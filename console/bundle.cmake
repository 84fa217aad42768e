# Makes OUT/console_files.cpp: the console's files as a table, or an empty one. Run by the build with WANTED, NPM, NODE,
# FROM and OUT; CMakeLists.txt says what WANTED means.
cmake_minimum_required(VERSION 3.22)
set(table ${OUT}/console_files.cpp)

# No console, and why: an error where it must be there. The table is then older than what it is made of, so that the next
# build tries again.
function(go_without why)
  if(WANTED STREQUAL "ON")
    message(FATAL_ERROR "the console cannot be bundled: ${why}\nWHERRY_CONSOLE=AUTO goes on without it")
  endif()
  if(WANTED STREQUAL "AUTO")
    message(WARNING "the broker gets no console: ${why}")
  endif()
  file(WRITE ${table} "// No console in this build.
#include \"broker/console/console.h\"
namespace wherry::broker::console {
std::span<const ConsoleFile> console_files() {
  return {};
}
}  // namespace wherry::broker::console
")
  if(WANTED STREQUAL "AUTO")
    execute_process(COMMAND touch -d 2000-01-01 ${table})
  endif()
endfunction()

if(WANTED STREQUAL "OFF")
  go_without("it is off")
  return()
endif()
if(NOT NPM OR NOT NODE)
  go_without("there is no npm or node (Debian's packages nodejs and npm)")
  return()
endif()
execute_process(COMMAND ${NODE} --version OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE)
string(REGEX REPLACE "^v" "" version "${version}")
if(version VERSION_LESS 18)
  go_without("node ${version} is too old: 18 or newer is wanted")
  return()
endif()

# A copy, so that node_modules stays out of the source tree.
file(STRINGS ${OUT}/sources.txt sources)
file(REMOVE_RECURSE ${OUT}/src)
foreach(source IN LISTS sources)
  get_filename_component(folder ${OUT}/${source} DIRECTORY)
  file(COPY ${FROM}/${source} DESTINATION ${folder})
endforeach()

# Packages are fetched again only when the lock file is another.
file(SHA256 ${FROM}/package-lock.json lock)
set(stamp ${OUT}/node_modules/.wherry-lock)
set(installed "")
if(EXISTS ${stamp})
  file(READ ${stamp} installed)
endif()
if(NOT installed STREQUAL lock)
  execute_process(COMMAND ${NPM} ci --no-audit --no-fund --loglevel=error WORKING_DIRECTORY ${OUT}
    RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if(failed)
    go_without("npm ci failed:\n${said}")
    return()
  endif()
  file(WRITE ${stamp} ${lock})
endif()
execute_process(COMMAND ${NODE} build.mjs ${table} WORKING_DIRECTORY ${OUT} RESULT_VARIABLE failed)
if(failed)
  # A mistake in the sources is nothing to go on with.
  message(FATAL_ERROR "the console's sources do not build")
endif()
