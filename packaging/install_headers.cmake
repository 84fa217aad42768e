# Run by `cmake --install` and cpack: the public headers of ${rooms} below ${top}, and what they include from other rooms,
# go to ${include}/wherry. An #include "base/x.h" becomes "wherry/detail/base/x.h" there.
cmake_policy(PUSH)
cmake_policy(SET CMP0057 NEW)  # if(... IN_LIST ...)
file(REMOVE_RECURSE ${stage})
set(inner)      # Headers of other rooms, to be looked at.
set(seen)

# Copies one header and adds to `inner` what it includes.
function(stage_header from to)
  file(READ ${from} text)
  string(REGEX MATCHALL "#include \"(base|protocol)/[^\"]+\"" found "${text}")
  list(TRANSFORM found REPLACE "#include \"(.+)\"" "\\1")
  string(REGEX REPLACE "#include \"((base|protocol)/[^\"]+)\"" "#include \"wherry/detail/\\1\"" text "${text}")
  file(WRITE ${stage}/wherry/${to} "${text}")
  set(inner ${inner} ${found} PARENT_SCOPE)
endfunction()

foreach(room IN LISTS rooms)
  file(GLOB headers RELATIVE ${top}/${room}/include/wherry ${top}/${room}/include/wherry/*.h)
  foreach(header IN LISTS headers)
    stage_header(${top}/${room}/include/wherry/${header} ${header})
  endforeach()
endforeach()
while(inner)
  list(POP_FRONT inner header)
  if(NOT header IN_LIST seen)
    list(APPEND seen ${header})
    stage_header(${top}/${header} detail/${header})
  endif()
endwhile()
file(INSTALL DESTINATION ${CMAKE_INSTALL_PREFIX}/${include} TYPE DIRECTORY FILES ${stage}/wherry)
cmake_policy(POP)
