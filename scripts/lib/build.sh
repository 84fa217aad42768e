# shellcheck shell=bash
# Configuring and building a preset with progress. Needs ui.sh; TOP is the top of the tree.

JOBS=${WHERRY_JOBS:-$(nproc)}

# build_preset PRESET [TARGET...]: leaves the result in build/PRESET and the compiler's words in build/PRESET/build.log.
build_preset() {
  local preset=$1 began=$SECONDS
  shift
  local folder=$TOP/build/$preset
  local log=$folder/build.log
  mkdir -p "$folder"
  : >"$log"

  # An untouched build tree configures itself again when a CMakeLists.txt has changed.
  if [[ ! -f $folder/build.ninja || $TOP/CMakePresets.json -nt $folder/build.ninja ]]; then
    progress "$preset: configuring"
    if ! (cd "$TOP" && cmake --preset "$preset" >>"$log" 2>&1); then
      tail -n 30 "$log" >&2
      die "$preset does not configure; all of it is in $log"
    fi
  fi

  local target options=()
  for target in "$@"; do options+=(--target "$target"); done
  local status=0
  (cd "$TOP" && NINJA_STATUS='[%f/%t] ' cmake --build --preset "$preset" -j "$JOBS" "${options[@]}" 2>&1) |
    tee -a "$log" | show_ninja_progress "$preset" "$began" || status=$?
  if ((status)); then
    show_build_errors "$log" >&2
    die "$preset does not build; all of it is in $log"
  fi
  say "built $preset in $(duration $((SECONDS - began)))"
}

# Reads ninja's "[12/340] Building ..." lines.
show_ninja_progress() {
  local preset=$1 began=$2 line percent spoken=0 finished all
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*) ]] || continue
    finished=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
    percent=$((100 * finished / all))
    if [[ -n $ON_TERMINAL ]]; then
      progress "$preset: $percent % ($finished of $all, $(duration $((SECONDS - began)))) ${BASH_REMATCH[3]##*/}"
    elif ((percent >= spoken + 10)); then
      spoken=$((percent - percent % 10))
      say "$preset: $percent % ($finished of $all, $(duration $((SECONDS - began))))"
    fi
  done
}

# The first failure, without the thousands of characters of its command line.
show_build_errors() {
  if grep -q '^FAILED: ' "$1"; then
    sed -n '/^FAILED: /,$p' "$1" | cut -c 1-400 | head -n 40
  else
    tail -n 20 "$1"
  fi
}
