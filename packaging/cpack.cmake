# The Debian packages: one a component of install.cmake. What they depend on is found by dpkg-shlibdeps in the programs.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME wherry)
set(CPACK_PACKAGE_VENDOR Wherry)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL broker worker library dev)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "Wherry's authors <wherry@wherry.example>")
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(version ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})
math(EXPR next_minor "${PROJECT_VERSION_MINOR} + 1")

# A program that was built against the library wants it of the same minor version: the next one has another soname. That
# is said in a file of our own, since CPack knows lower bounds only.
configure_file(${CMAKE_CURRENT_SOURCE_DIR}/debian/libwherry/shlibs.in ${CMAKE_CURRENT_BINARY_DIR}/shlibs @ONLY)

set(scripts ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(CPACK_DEBIAN_BROKER_PACKAGE_NAME wherry-broker)
set(CPACK_DEBIAN_BROKER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_BROKER_PACKAGE_DEPENDS "adduser")
# /bin/kill, with which the units reload.
set(CPACK_DEBIAN_BROKER_PACKAGE_RECOMMENDS "procps")
set(CPACK_DEBIAN_BROKER_PACKAGE_CONTROL_EXTRA ${scripts}/wherry-broker/postinst ${scripts}/wherry-broker/prerm
  ${scripts}/wherry-broker/postrm ${scripts}/wherry-broker/conffiles)
set(CPACK_COMPONENT_BROKER_DESCRIPTION
"message broker for AMQP 0-9-1, with its tools
A durable broker that clients of RabbitMQ talk to unmodified, in one program:
queues that outlive a power cut, delays, priorities, dead letters, policies,
and RabbitMQ's management API. wherryctl administers it, and wherry-perf
measures any AMQP broker.")

set(CPACK_DEBIAN_WORKER_PACKAGE_NAME wherry-worker)
set(CPACK_DEBIAN_WORKER_PACKAGE_SECTION net)
# The clock of a schedule needs the zones of the system.
set(CPACK_DEBIAN_WORKER_PACKAGE_DEPENDS "adduser, tzdata")
# A library for --load shares types with the program that loads it: both are of one build.
set(CPACK_DEBIAN_WORKER_PACKAGE_BREAKS "libwherry (<< ${version}), libwherry (>> ${version})")
set(CPACK_DEBIAN_WORKER_PACKAGE_RECOMMENDS "procps, libpq5, libwherry (= ${version})")
set(CPACK_DEBIAN_WORKER_PACKAGE_SUGGESTS "wherry-broker")
set(CPACK_DEBIAN_WORKER_PACKAGE_CONTROL_EXTRA ${scripts}/wherry-worker/postinst ${scripts}/wherry-worker/prerm
  ${scripts}/wherry-worker/postrm ${scripts}/wherry-worker/conffiles)
set(CPACK_COMPONENT_WORKER_DESCRIPTION
"worker that runs C++ tasks from AMQP queues
Loads libraries of C++ functions and runs them by name, as Celery's workers
do with Python functions: the message protocol is Celery's, so both share
queues. Retries, dead letters, periodic tasks, tasks in processes of their
own; on Wherry's broker or on RabbitMQ.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libwherry)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
# Loaded by those who keep results or an outbox in PostgreSQL.
set(CPACK_DEBIAN_LIBRARY_PACKAGE_RECOMMENDS "libpq5")
# CPack adds scripts that call ldconfig; Debian wants the trigger all the same.
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/shlibs ${scripts}/libwherry/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
"task queue for C++ over AMQP 0-9-1, shared library
Clients that send tasks as plain structs and bring typed results back,
workers that run them, and schedulers of periodic tasks.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libwherry-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
# What its headers include from outside is libexpected alone.
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libwherry (= ${version}), libexpected-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION
"task queue for C++ over AMQP 0-9-1, development files
The headers of libwherry, what CMake and pkg-config want to know about it,
and a project to begin with.")
include(CPack)
