# Which file goes where. A component is a package: broker, worker, library, dev. Nothing is installed without one.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
# As Debian lays libraries out, whatever prefix the tree was configured with.
set(libdir lib/${CMAKE_LIBRARY_ARCHITECTURE})
set(here ${CMAKE_CURRENT_SOURCE_DIR})
set(top ${CMAKE_SOURCE_DIR})

# --- programs, units, settings -----------------------------------------------------------------------------------------
install(TARGETS wherry-broker wherryctl wherry-perf-program RUNTIME DESTINATION bin COMPONENT broker)
install(TARGETS wherry-worker-program RUNTIME DESTINATION bin COMPONENT worker)
install(FILES ${top}/config/systemd/wherry-broker.service DESTINATION /lib/systemd/system COMPONENT broker)
install(FILES ${top}/config/systemd/wherry-worker@.service ${top}/config/systemd/wherry-scheduler.service
  DESTINATION /lib/systemd/system COMPONENT worker)
install(FILES ${top}/config/broker.yaml DESTINATION /etc/wherry COMPONENT broker)
install(FILES ${top}/config/app.yaml ${top}/config/schedule.yaml DESTINATION /etc/wherry COMPONENT worker)
install(FILES ${top}/config/worker.yaml DESTINATION share/doc/wherry-worker/examples COMPONENT worker)

# bash looks for a file named as the program.
set(completions share/bash-completion/completions)
foreach(program wherry-broker wherryctl wherry-perf)
  install(FILES ${top}/scripts/completion DESTINATION ${completions} RENAME ${program} COMPONENT broker)
endforeach()
install(FILES ${top}/scripts/completion DESTINATION ${completions} RENAME wherry-worker COMPONENT worker)

# --- the library -------------------------------------------------------------------------------------------------------
install(TARGETS wherry-shared EXPORT wherry
  LIBRARY DESTINATION ${libdir} COMPONENT library NAMELINK_COMPONENT dev
  INCLUDES DESTINATION include)
install(EXPORT wherry NAMESPACE wherry:: FILE wherry-targets.cmake DESTINATION ${libdir}/cmake/wherry COMPONENT dev)
configure_package_config_file(${here}/wherry-config.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/wherry-config.cmake
  INSTALL_DESTINATION ${libdir}/cmake/wherry NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/wherry-config-version.cmake COMPATIBILITY SameMinorVersion)
configure_file(${here}/wherry.pc.in ${CMAKE_CURRENT_BINARY_DIR}/wherry.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/wherry-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/wherry-config-version.cmake
  DESTINATION ${libdir}/cmake/wherry COMPONENT dev)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/wherry.pc DESTINATION ${libdir}/pkgconfig COMPONENT dev)
install(DIRECTORY ${here}/example/ DESTINATION share/doc/libwherry-dev/examples COMPONENT dev)
install(FILES ${top}/examples/quickstart/main.cpp DESTINATION share/doc/libwherry-dev/examples RENAME quickstart.cpp
  COMPONENT dev)

# The public headers, and the headers of other rooms that they include. The latter go below wherry/detail/, where no
# other project's base/ or protocol/ can be in their way.
set(rooms sdk worker)
install(CODE "
  set(top \"${top}\")
  set(rooms ${rooms})
  set(stage \"${CMAKE_CURRENT_BINARY_DIR}/include\")
  set(include \"${CMAKE_INSTALL_INCLUDEDIR}\")
  include(\"${here}/install_headers.cmake\")
  " COMPONENT dev)

# --- pages, and what Debian wants beside each package -------------------------------------------------------------------
set(pages_broker configuration console control-socket dead-letters definitions exchanges flow-control installing management
  metrics operating performance policies queues services store-tools upgrading wherryctl)
set(pages_worker configuration control dead-letters pools results schedules services worker workflows)
set(pages_dev configuration producer results sdk tasks-on-the-wire worker workflows)
set(package_broker wherry-broker)
set(package_worker wherry-worker)
set(package_library libwherry)
set(package_dev libwherry-dev)
# Compressed without the time, so that the same sources give the same packages.
set(changelog ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz)
add_custom_command(OUTPUT ${changelog} COMMAND gzip -9n < ${here}/debian/changelog > ${changelog}
  DEPENDS ${here}/debian/changelog)
add_custom_target(wherry-changelog DEPENDS ${changelog})
add_dependencies(programs wherry-changelog)
foreach(component broker worker library dev)
  set(package ${package_${component}})
  set(doc share/doc/${package})
  list(TRANSFORM pages_${component} REPLACE "(.+)" "${top}/docs/\\1.md" OUTPUT_VARIABLE pages)
  install(FILES ${pages} ${here}/debian/copyright ${changelog} DESTINATION ${doc} COMPONENT ${component})
  if(EXISTS ${here}/debian/${package}/lintian-overrides)
    install(FILES ${here}/debian/${package}/lintian-overrides DESTINATION share/lintian/overrides RENAME ${package}
      COMPONENT ${component})
  endif()
endforeach()
