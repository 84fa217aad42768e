# shellcheck shell=bash
# The stages of scripts/test: each is timed, counted and shown in the table at the end. Needs ui.sh and build.sh; TOP is
# the top of the tree.

STAGES=() # "name|seconds|passed|failed|verdict|skipped", in the order they ran
FUZZ_SECONDS=${WHERRY_FUZZ_SECONDS:-10}
# What has threads: the event loop, the shards and servers that run on it, the client and the worker.
THREADED='^unit\.(base|net|shard|server|broker|bridges|results|schedule|sdk|worker|embedded|testing|examples)$'

# With sanitizers the two shards that have more to get wrong, and neither other people's suites nor what mostly asks
# Celery or RabbitMQ a second time.
NOT_AGAIN='shards-1$|^suites\.|^oracle\.rabbitmq$|^interop\.(canvas|flower|replacement|table)\.'
# What one shard decides by itself, whatever the number of threads: not under ThreadSanitizer.
NOT_THREADED='^interop\.(tutorials|tools|topology|exchanges|pyamqp|vhosts|celery_redis)\.'
# Unless everything is asked for, an interop theme runs twice: with one shard in the release build, and with two under the
# sanitizer that has more to find in it. select_interop PRESET: the options of ctest.
select_interop() {
  case $1 in
    release) [[ -n ${EVERYTHING:-} ]] && echo "-L interop" || echo "-L interop -E shards-2\$" ;;
    tsan) echo "-L interop -E $NOT_AGAIN|$NOT_THREADED" ;;
    asan) [[ -n ${EVERYTHING:-} ]] && echo "-L interop -E $NOT_AGAIN" || echo "-L interop -R $NOT_THREADED -E $NOT_AGAIN" ;;
  esac
}

# GCC 12's sanitizers cannot map their shadow memory where a newer kernel randomises addresses further than they know.
WITHOUT_RANDOMISATION=()
if setarch "$(uname -m)" -R true 2>/dev/null; then WITHOUT_RANDOMISATION=(setarch "$(uname -m)" -R); fi

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1:suppressions=$TOP/tests/tsan.supp}

# stage PRESET WHAT COMMAND...: a stage without tests of its own, such as a build.
stage() {
  local name="$1 $2" began=$SECONDS
  shift 2
  heading "$name"
  if "$@"; then
    STAGES+=("$name|$((SECONDS - began))|||ok")
  else
    STAGES+=("$name|$((SECONDS - began))||1|FAILED")
    return 1
  fi
}

# run_ctest PRESET WHAT OPTION...: the tests of build/PRESET that ctest's OPTIONs select.
run_ctest() {
  local preset=$1 what=$2 began=$SECONDS verdict=ok at_once=$JOBS junit passed failed skipped
  shift 2
  heading "$preset $what"
  # What talks to other programs mostly waits for them.
  [[ ! $what =~ ^(interop|crash)$ ]] || at_once=$((2 * JOBS))
  # Some of other people's tests count on a machine that has nothing else to do.
  [[ $what != suites ]] || at_once=1
  junit=$TOP/build/$preset/$what.xml
  rm -f "$junit"
  "${WITHOUT_RANDOMISATION[@]}" ctest --test-dir "$TOP/build/$preset" "$@" -j "$at_once" --output-on-failure \
    --no-tests=ignore --output-junit "$junit" --test-output-size-passed 200000 --test-output-size-failed 400000 |
    show_ctest || verdict=FAILED
  read -r passed failed skipped < <(python3 "$TOP/scripts/lib/count_tests.py" "$junit" 2>/dev/null || echo 0 1 0)
  # ctest keeps the words of a skipped program to itself.
  sed -n 's/^.*\(SKIPPED: .*\)$/\1/p' "$junit" 2>/dev/null || true
  if ((passed + failed + skipped == 0)); then
    # A stage that finds nothing to run has tested nothing.
    warn "no tests found for: $preset $what"
    verdict=FAILED failed=1
  fi
  ((failed == 0)) || verdict=FAILED
  STAGES+=("$preset $what|$((SECONDS - began))|$passed|$failed|$verdict|$skipped")
}

# ctest's words, less the frame around them.
show_ctest() {
  grep --line-buffered -v -E '^(Test project|Internal ctest changing| +Start +[0-9]+:|$)' || true
}

test_threads() {
  local targets=()
  stage tsan configure configure_quietly tsan || return 0
  mapfile -t targets < <(ctest --test-dir "$TOP/build/tsan" -N -R "$THREADED" | sed -n 's/.*: unit\./test-/p')
  stage tsan build "$TOP/scripts/build" --no-install tsan programs demo interop "${targets[@]}" || return 0
  run_ctest tsan unit -R "$THREADED"
  # shellcheck disable=SC2046  # its words are options
  run_ctest tsan interop $(select_interop tsan)
}

configure_quietly() { (cd "$TOP" && cmake --preset "$1" >/dev/null) }

test_fuzz() {
  local target targets=() passed=0 failed=0 began
  stage fuzz configure configure_quietly asan || return 0
  mapfile -t targets < <(ninja -C "$TOP/build/asan" -t targets all | sed -n 's/^\(fuzz-[a-z0-9_-]*\): phony$/\1/p')
  if ((${#targets[@]} == 0)); then
    warn "no fuzz targets found"
    STAGES+=("fuzz run|0|0|1|FAILED")
    return 0
  fi
  stage fuzz build "$TOP/scripts/build" --no-install asan "${targets[@]}" || return 0
  heading "fuzz: ${#targets[@]} targets, $FUZZ_SECONDS s each"
  began=$SECONDS
  local running=0 results
  results=$(mktemp -d)
  for target in "${targets[@]}"; do
    ((running < JOBS)) || { wait -n || true; running=$((running - 1)); }
    fuzz_one "$target" "$results" &
    running=$((running + 1))
  done
  wait
  for target in "${targets[@]}"; do
    if [[ -e $results/$target.ok ]]; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      say "${RED}$target failed${PLAIN}; its log: build/asan/$target.log"
      tail -n 25 "$TOP/build/asan/$target.log"
    fi
  done
  rm -rf "$results"
  STAGES+=("fuzz run|$((SECONDS - began))|$passed|$failed|$( ((failed)) && echo FAILED || echo ok)")
}

# Starts from the committed corpus, in a copy: what libFuzzer finds stays out of the tree. An input that breaks the
# target is left in build/asan.
fuzz_one() {
  local target=$1 results=$2 corpus
  corpus=$results/$target.corpus
  mkdir -p "$corpus"
  cp -r "$TOP/tests/fuzz/corpus/${target#fuzz-}/." "$corpus/" 2>/dev/null || true
  if "$TOP/build/asan/bin/$target" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$TOP/build/asan/$target-" "$corpus" >"$TOP/build/asan/$target.log" 2>&1; then
    : >"$results/$target.ok"
  fi
}

# Programs that said that they could not run here, when there are any.
skipped_words() { (($1 == 0)) || printf ', %d not run' "$1"; }

# The table, the line that counts, and the exit status.
show_stages() {
  local entry name seconds passed failed verdict skipped all_passed=0 all_failed=0 all_skipped=0
  heading "summary"
  for entry in "${STAGES[@]}"; do
    IFS='|' read -r name seconds passed failed verdict skipped <<<"$entry"
    all_passed=$((all_passed + ${passed:-0})) all_failed=$((all_failed + ${failed:-0}))
    all_skipped=$((all_skipped + ${skipped:-0}))
    local colour=$GREEN
    [[ $verdict == ok ]] || colour=$RED
    if [[ -n $passed ]]; then
      printf '  %-16s %14s  %s%-6s%s  %5d passed  %d failed%s\n' "$name" "$(duration "$seconds")" "$colour" "$verdict" "$PLAIN" "$passed" "$failed" \
        "$(skipped_words "${skipped:-0}")"
    else
      printf '  %-16s %14s  %s%s%s\n' "$name" "$(duration "$seconds")" "$colour" "$verdict" "$PLAIN"
    fi
  done
  printf '  %-16s %14s\n\n' "in all" "$(duration "$SECONDS")"
  printf '%d passed, %d failed%s\n' "$all_passed" "$all_failed" "$(skipped_words "$all_skipped")"
  ((all_failed == 0))
}
