# shellcheck shell=bash
# The Debian packages that the project needs, by purpose, and how the missing ones get installed.
# Names are those of Debian 12; nothing comes from anywhere else.
# shellcheck disable=SC2034  # each script uses the lists it needs

PACKAGES_BUILD=(
  g++ cmake ninja-build pkg-config git ca-certificates
  libboost1.74-dev libboost-program-options1.74-dev libmsgpack-cxx-dev libyaml-cpp-dev libfmt-dev libspdlog-dev
  libexpected-dev nlohmann-json3-dev libcpp-httplib-dev libcurl4-openssl-dev libre2-dev libssl-dev libsqlite3-dev
  libhiredis-dev libpq-dev zlib1g-dev libbz2-dev libzstd-dev libcctz-dev tzdata catch2 python3
)
PACKAGES_TEST=(
  python3-pika celery python3-aiosmtpd amqp-tools clang-format-14 shellcheck procps openssl
  redis-server python3-redis python3-zstandard python3-msgpack postgresql python3-sqlalchemy python3-psycopg2
  rabbitmq-server prometheus chromium
)
# What the test suites of other projects are run with.
PACKAGES_SUITES=(
  python3-pytest python3-gevent python3-tornado python3-twisted python3-nose
  nodejs golang-go golang-uber-goleak-dev php-cli php-mbstring phpunit php-phpseclib3
)
# What makes Debian packages and looks at them, and what tries them in a root of their own.
PACKAGES_PACKAGE=(dpkg-dev file fakeroot lintian gzip)
PACKAGES_TEST_PACKAGES=(debootstrap yamllint python3-yaml)
PACKAGES_BENCH=(rabbitmq-server)
PACKAGES_BENCH_TASKS=(celery)
PACKAGES_ASAN=(clang-16 libclang-rt-16-dev)
PACKAGES_DEMO=(kannel kannel-extras python3-aiosmtpd python3-pika ieee-data)

# console_packages: what bundles the web console, a line each; nothing where Node.js 18 or newer and npm are there already,
# wherever they are from.
console_packages() {
  local node
  node=$(command -v node || command -v nodejs || true)
  if [[ -n $node ]] && command -v npm >/dev/null && (($("$node" -p 'process.versions.node.split(".")[0]') >= 18)); then return 0; fi
  printf '%s\n' nodejs npm
}

missing_packages() {
  local package
  for package in "$@"; do
    # "installed" alone is not enough: a removed package leaves a "config-files" entry behind.
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root and there is no sudo here; run as root: $*"
  fi
}

# While packages are installed, this script tells Debian's tools that no service may be started (exit 101).
POLICY=/usr/sbin/policy-rc.d
policy_deny() {
  as_root sh -c "
    if [ -e $POLICY ] || [ -L $POLICY ]; then mv $POLICY $POLICY.wherry-saved; fi
    printf '#!/bin/sh\nexit 101\n' > $POLICY && chmod 755 $POLICY"
}
policy_restore() {
  as_root sh -c "
    rm -f $POLICY
    if [ -e $POLICY.wherry-saved ] || [ -L $POLICY.wherry-saved ]; then mv $POLICY.wherry-saved $POLICY; fi"
}

# Everything that makes a service start at boot, one path a line.
enabled_services() {
  find /etc/rc[2-5].d -name 'S*' 2>/dev/null
  find /etc/systemd/system -path '*.wants/*' 2>/dev/null
  true
}

# disable_services_but BEFORE: switches off every service that was enabled since, BEFORE being enabled_services' lines.
disable_services_but() {
  local path unit
  while read -r path; do
    unit=${path##*/}
    case $path in
      /etc/rc*) as_root update-rc.d "${unit#S[0-9][0-9]}" disable >/dev/null 2>&1 || true ;;
      *) as_root systemctl disable "$unit" >/dev/null 2>&1 || as_root rm -f "$path" ;;
    esac
  done < <(comm -13 <(printf '%s\n' "$1") <(enabled_services | sort))
}

# ensure_packages NAME...: installs those that are missing and says which. Never starts or enables a service.
ensure_packages() {
  local missing=() log status=0
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "missing: ${missing[*]} (these are Debian packages, and there is no apt-get here)"
  say "installing Debian packages: ${missing[*]}"
  # A password is asked for here, where the question can be seen.
  as_root true
  log=$(mktemp)
  (
    before=$(enabled_services | sort)
    # The traps are the sub-shell's own: they run when it ends, however it ends.
    trap 'policy_restore; disable_services_but "$before"' EXIT
    trap 'exit 130' INT TERM HUP
    policy_deny
    install_with_progress "${missing[@]}"
  ) >"$log" 2>&1 &
  wait_with_progress $! "$log" "installing ${#missing[@]} packages" || status=$?
  if ((status)); then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "could not install: ${missing[*]}"
  fi
  rm -f "$log"
}

install_with_progress() {
  local options=(-y -q --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
  # The lists on the machine may be good enough; they are fetched only when they are not.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@" && return 0
  as_root apt-get update -q || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@"
}

# wait_with_progress PID LOG WHAT: shows the log's last line while PID runs; gives back PID's exit status.
wait_with_progress() {
  local pid=$1 log=$2 what=$3 began=$SECONDS
  while kill -0 "$pid" 2>/dev/null; do
    progress "$what ($(duration $((SECONDS - began)))): $(tail -n 1 "$log" 2>/dev/null)"
    sleep 0.3
  done
  [[ -z $ON_TERMINAL ]] || printf '%s' "$CLEAR_LINE"
  wait "$pid"
}
