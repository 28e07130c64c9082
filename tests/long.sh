#!/usr/bin/env bash
# The long set: what ./test.sh --long runs beside the quick suites.
#
#   tests/long.sh [--seeds N] [--rounds N] [--minutes N] [PART…]        all parts, or only these:
#
#     asan        the unit, store, simulation and conformance suites under AddressSanitizer and UndefinedBehaviorSanitizer
#     tsan        what has threads (the store's contract, power loss, the engine with its writer thread under faults) under ThreadSanitizer
#     valgrind    the unit suites under valgrind, leaks included
#     power       power loss over RATCHET_POWER_SEEDS seeds (2,000), of the store and of a whole engine
#     allocation  a failing allocation at every allocation that the store's script reaches
#     kill        tests/crash/kill.py, --rounds or RATCHET_KILL_ROUNDS rounds (500), against the release binary
#     faults      tests/faults/faults.py against the release binary
#     examples    the media example with 1,800 chunks (RATCHET_CHUNKS), one of which fails, against the release binary
#     simulation  the simulator over --seeds or RATCHET_SIMULATION_SEEDS seeds (100,000; a million is RATCHET_SIMULATION_SEEDS=1000000)
#     fuzz        each libFuzzer target for --minutes or RATCHET_LONG_MINUTES_PER_FUZZER minutes (10), two at a time
#
# Ends with a table of what ran, with its figures.
# Builds go to RATCHET_LONG_BUILD-PART (build-PART), where meson-logs/testlog*.json is what tests/tally.py adds up.
# a failure anywhere is a non-zero exit.
set -uo pipefail
cd "$(dirname "$0")/.."

parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --seeds) RATCHET_SIMULATION_SEEDS=$2; shift 2 ;;
    --rounds) RATCHET_KILL_ROUNDS=$2; shift 2 ;;
    --minutes) RATCHET_LONG_MINUTES_PER_FUZZER=$2; shift 2 ;;
    -*) echo "long.sh: unknown option $1" >&2; sed -n '2,25s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) parts+=("$1"); shift ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=(asan tsan valgrind power allocation kill faults examples simulation fuzz)
prefix=${RATCHET_LONG_BUILD:-build}
export RATCHET_TEST_DATA="${RATCHET_TEST_DATA:-$PWD/../shared}"
failed=0
table=$(mktemp)
trap 'rm -f "$table"' EXIT

# row NAME SECONDS STATUS FIGURES: one line of the table.
row() {
  printf '| %-28s | %7s | %-6s | %s\n' "$1" "$(($2 / 60)):$(printf %02d $(($2 % 60)))" "$3" "$4" >>"$table"
}

# figures FILE: what a program said of how much it did.
figures() {
  grep -aE '^[0-9]+ (seeds|kills)|the power went|allocations|^\[ +PASSED|^[0-9]+ passed' "$1" | sed -E 's/^[[:space:]]+//; s/^\[ +PASSED +\] /passed: /' | tail -n 3 |
    paste -sd ';' | sed 's/;/; /g' | cut -c1-400
}

# build PART MESON_OPTION…: sets up and compiles (all, or the targets in $targets).
build() {
  local folder=$prefix-$1
  shift
  if [ ! -f "$folder/build.ninja" ]; then
    meson setup "$folder" -Dtests=enabled "$@" >"$folder.log" 2>&1 || { tail -n 30 "$folder.log" >&2; return 1; }
  fi
  ninja -C "$folder" ${targets:-} >"$folder.log" 2>&1 || { grep -E -A5 'error|FAILED' "$folder.log" | head -n 40 >&2; return 1; }
}

# note FOLDER NAME STATUS FILE: one line for tests/tally.py.
note() {
  mkdir -p "$1/meson-logs"
  python3 - "$@" <<'PYTHON'
import json, sys
folder, name, status, path = sys.argv[1:]
with open(path, encoding="utf-8", errors="replace") as log, open(f"{folder}/meson-logs/testlog-{name}.json", "w", encoding="utf-8") as to:
    to.write(json.dumps({"name": name, "stdout": log.read()[-200000:], "stderr": "", "result": "OK" if status == "0" else "FAIL"}) + "\n")
PYTHON
}

# run PART NAME COMMAND…: runs it, shows its last lines, and notes it.
run() {
  local folder=$prefix-$1 name=$2 status=0 begin=$SECONDS
  shift 2
  mkdir -p "$folder/meson-logs"
  "$@" >"$folder/meson-logs/$name.txt" 2>&1 || status=$?
  grep -vE '^\[ +(RUN|OK) |^\[=' "$folder/meson-logs/$name.txt" | tail -n 12
  [ $status = 0 ] || { echo "$name: failed with status $status"; failed=1; }
  row "$name" $((SECONDS - begin)) "$([ $status = 0 ] && echo ok || echo FAILED)" "$(figures "$folder/meson-logs/$name.txt")"
  note "$folder" "$name" $status "$folder/meson-logs/$name.txt"
}

# suites PART MESON_TEST_OPTION…: runs meson's tests in that build.
suites() {
  local part=$1 folder=$prefix-$1 begin=$SECONDS status=ok
  shift
  meson test -C "$folder" --no-rebuild --print-errorlogs "$@" 2>&1 | tee "$folder.suites" | grep -E '^[0-9]+/[0-9]+ .*(FAIL|TIMEOUT|ERROR)|^(Ok|Fail|Timeout|Skipped|Expected)|ERROR: |WARNING: ThreadSanitizer|runtime error' | head -n 60
  [ "${PIPESTATUS[0]}" = 0 ] || { failed=1; status=FAILED; }
  row "$part: suites" $((SECONDS - begin)) $status "$(grep -E '^(Ok|Fail|Timeout|Skipped):' "$folder.suites" | tr -s ' ' | paste -sd ' ')"
}

part_asan() {
  export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  build asan -Dbuildtype=debugoptimized -Db_sanitize=address,undefined || return 1
  suites asan --suite unit --suite store --suite sim --suite conformance --timeout-multiplier 6
  unset ASAN_OPTIONS UBSAN_OPTIONS
}

part_tsan() {
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
  local programs=(store/test_store_contract store/test_store_power engine/test_engine_engine engine/test_engine_children engine/test_engine_trouble engine/test_engine_faults engine/test_engine_power engine/test_engine_loop)
  targets="${programs[*]/#/tests/}" build tsan -Dbuildtype=debugoptimized -Db_sanitize=thread || return 1
  local program
  for program in "${programs[@]}"; do
    RATCHET_SEEDS=${RATCHET_TSAN_SEEDS:-60} run tsan "tsan_${program##*/}" timeout 1800 "$prefix-tsan/tests/$program"
  done
  unset TSAN_OPTIONS
}

part_valgrind() {
  build valgrind -Dbuildtype=debugoptimized || return 1
  suites valgrind --suite unit --timeout-multiplier 30 --wrapper 'valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99 --child-silent-after-fork=yes'
}

part_power() {
  targets="tests/store/test_store_power tests/engine/test_engine_power" build release || return 1
  RATCHET_SEEDS=${RATCHET_POWER_SEEDS:-2000} run release power_store "$prefix-release/tests/store/test_store_power"
  RATCHET_SEEDS=${RATCHET_POWER_SEEDS:-2000} run release power_engine "$prefix-release/tests/engine/test_engine_power"
}

part_allocation() {
  targets="tests/store/test_store_allocation" build release || return 1
  RATCHET_TEST_ALL=1 run release allocation "$prefix-release/tests/store/test_store_allocation"
}

part_kill() {
  targets=ratchet build release || return 1
  run release kill python3 tests/crash/kill.py --ratchet "$prefix-release/ratchet" --rounds "${RATCHET_KILL_ROUNDS:-500}"
}

part_faults() {
  targets=ratchet build release || return 1
  run release faults python3 tests/faults/faults.py --ratchet "$prefix-release/ratchet"
}

part_examples() {
  targets=ratchet build release || return 1
  run release examples python3 tests/examples/media.py --ratchet "$prefix-release/ratchet" --chunks "${RATCHET_CHUNKS:-1800}"
}

part_simulation() {
  targets="tests/simulation/simulation" build release || return 1
  run release simulation "$prefix-release/tests/simulation/simulation" --seeds "${RATCHET_SIMULATION_SEEDS:-100000}" --jobs "$(nproc)"
}

# One target: its status is in NAME.status; what it found in NAME.found/.
fuzz_one() {
  local folder=$1 name=$2 seconds=$3 work=$1/fuzz/$2 status=0
  local given=tests/fuzz/corpus/$name
  [ -d "$given" ] || given=
  mkdir -p "$work/corpus" "$work/found"
  "$folder/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 \
    -artifact_prefix="$work/found/" "$work/corpus" $given >"$work/log.txt" 2>&1 || status=$?
  local runs cover
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log.txt")
  cover=$(grep -oE 'cov: [0-9]+' "$work/log.txt" | tail -n 1)
  if [ $status = 0 ]; then
    echo "fuzz_$name: ${runs:-?} runs in $seconds s, ${cover:-}"
  else
    echo "fuzz_$name: FAILED: $(grep -E 'ERROR: |SUMMARY: |assert|deadly|runtime error' "$work/log.txt" | head -n 3 | tr '\n' ' ') inputs in $work/found"
  fi
  row "fuzz_$name" "$seconds" "$([ $status = 0 ] && echo ok || echo FAILED)" "${runs:-?} runs, ${cover:-}"
  echo $status >"$work/status"
}

part_fuzz() {
  command -v clang >/dev/null || { echo "skipped: fuzzing needs clang"; return 0; }
  local folder=$prefix-fuzz seconds names=() name passed=0 bad=0
  seconds=$(awk -v minutes="${RATCHET_LONG_MINUTES_PER_FUZZER:-10}" 'BEGIN { printf "%d", minutes * 60 + 0.5 }')
  for name in tests/fuzz/fuzz_*.c; do
    name=${name##*/fuzz_}
    names+=("${name%.c}")
  done
  targets="${names[*]/#/tests/fuzz/fuzz_}" CC=clang build fuzz -Dfuzz=true -Dbuildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link || return 1
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    fuzz_one "$folder" "$name" "$seconds" &
  done
  wait
  for name in "${names[@]}"; do
    if [ "$(cat "$folder/fuzz/$name/status")" = 0 ]; then passed=$((passed + 1)); else bad=$((bad + 1)); fi
  done
  echo "$passed passed, $bad failed, 0 skipped" >"$folder/fuzz/result.txt"
  [ $bad = 0 ] || failed=1
  note "$folder" fuzz $((bad > 0)) "$folder/fuzz/result.txt"
  unset UBSAN_OPTIONS
}

for part in "${parts[@]}"; do
  declare -F "part_$part" >/dev/null || { echo "long.sh: there is no part '$part'" >&2; sed -n '2,20s/^# \{0,1\}//p' "$0" >&2; exit 2; }
  echo "---- $part"
  begin=$SECONDS
  "part_$part" || { echo "$part: it could not be built"; row "$part" $((SECONDS - begin)) FAILED "it could not be built"; failed=1; }
  echo "$part: $((SECONDS - begin)) s"
done
printf '\n| %-28s | %7s | %-6s | %s\n' "what ran" "min:s" "" "figures"
cat "$table"
exit $failed
