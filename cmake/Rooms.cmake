# wherry_room(NAME PATH [FUZZED] [HOT] [USES room...] [PUBLIC lib...] [PRIVATE lib...] SOURCES file...)
#
# One room of the house: a static library wherry-NAME whose sources live in PATH (from the top of the tree).
#   FUZZED   the fuzz targets exercise it: with WHERRY_FUZZ it tells libFuzzer which of its code an input reached.
#   HOT      tests spend their time in it: compiled with WHERRY_HOT_FLAGS where others are not optimised.
#   USES     the rooms it may include from: each is an arrow, and tests/layering fails on an #include that
#            crosses a wall which is not declared here. Arrows are not inherited: say each one.
#   PUBLIC   outside libraries that its headers need.
#   PRIVATE  outside libraries that only its sources need.
# Headers are included by their path from the top of the tree: #include "base/result.h".
set_property(GLOBAL PROPERTY WHERRY_ROOMS "")

function(wherry_room NAME PATH)
  cmake_parse_arguments(ROOM "FUZZED;HOT" "" "USES;PUBLIC;PRIVATE;SOURCES" ${ARGN})
  add_library(wherry-${NAME} STATIC ${ROOM_SOURCES})
  target_include_directories(wherry-${NAME} PUBLIC ${CMAKE_SOURCE_DIR})
  foreach(other IN LISTS ROOM_USES)
    target_link_libraries(wherry-${NAME} PUBLIC wherry-${other})
  endforeach()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Nobody replaces our functions as the program starts: they may be inlined although they are position-independent.
    target_compile_options(wherry-${NAME} PRIVATE -fno-semantic-interposition)
  endif()
  if(ROOM_HOT)
    target_compile_options(wherry-${NAME} PRIVATE ${WHERRY_HOT_FLAGS})
  endif()
  if(ROOM_FUZZED AND WHERRY_FUZZ)
    target_compile_options(wherry-${NAME} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  target_link_libraries(wherry-${NAME} PUBLIC ${ROOM_PUBLIC} PRIVATE ${ROOM_PRIVATE})
  if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/${PATH}/include)
    target_include_directories(wherry-${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/${PATH}/include)
  endif()
  list(JOIN ROOM_USES "," uses)
  set_property(GLOBAL APPEND PROPERTY WHERRY_ROOMS "${NAME} ${PATH} ${uses}")
endfunction()

# Writes the rooms to build/PRESET/rooms.txt, where tests/layering reads them. Call after the last room.
function(wherry_write_rooms)
  get_property(rooms GLOBAL PROPERTY WHERRY_ROOMS)
  list(JOIN rooms "\n" text)
  file(WRITE ${CMAKE_BINARY_DIR}/rooms.txt "${text}\n")
endfunction()
