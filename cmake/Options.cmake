# How every target is compiled: the language, the warnings, the sanitizers, ccache where it is installed.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

option(WHERRY_TESTS "Build the tests" ON)
option(WHERRY_PACKAGES "Build the shared library and say what is installed: for Debian packages" OFF)
option(WHERRY_FUZZ "Build the fuzz targets (Clang with libFuzzer)" OFF)
set(WHERRY_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize takes them: address,undefined or thread")
set(WHERRY_HOT_FLAGS "" CACHE STRING "What rooms are compiled with, besides, in which tests spend their time")

# No path of the building machine in what ships, and equal sources compile to equal objects wherever they lie.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports uses that cannot happen inside the standard library's own inlined code.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()

if(WHERRY_SANITIZE)
  add_compile_options(-fsanitize=${WHERRY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WHERRY_SANITIZE})
endif()

# All presets but dev set CMAKE_UNITY_BUILD: what a room's sources share is then compiled once, not once each. dev compiles
# every source by itself, which shows an #include that is missing.

find_program(WHERRY_CCACHE ccache)
if(WHERRY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${WHERRY_CCACHE})
endif()

find_package(Threads REQUIRED)
