#!/usr/bin/env bash
# Builds Ratchet with warnings as errors and runs its tests.
#
#   ./test.sh            the quick suites (minutes)
#   ./test.sh --long     also sanitizers, many seeds, many kills, fuzzing (hours; tests/long.py --help has its parts and lengths)
#   ./test.sh NAME...    only these suites (unit, conformance, store, api, crash, tidy …)
#
# Ends with one line 'N passed, N failed, N skipped'; a failure anywhere is a non-zero exit.
# RATCHET_TEST_DATA names the folder of shared test data (default ../shared); suites whose data is missing say so and skip.
set -euo pipefail
cd "$(dirname "$0")"

long=no
suites=()
for argument in "$@"; do
  case $argument in
    --long) long=yes ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "test.sh: unknown option $argument (see --help)" >&2; exit 2 ;;
    *) suites+=(--suite "$argument") ;;
  esac
done

scripts/packages build console demo test
export RATCHET_TEST_DATA="${RATCHET_TEST_DATA:-$PWD/../shared}"

build=build
[ -f $build/build.ninja ] || meson setup $build -Dwerror=true -Dtests=enabled >/dev/null || { cat $build/meson-logs/meson-log.txt | tail -n 30; exit 1; }
meson compile -C $build

status=0
meson test -C $build --no-rebuild --print-errorlogs --timeout-multiplier 1 "${suites[@]}" || status=$?
logs=("$build/meson-logs/testlog.json")

if [ $long = yes ]; then
  scripts/packages long || echo "what needs these is skipped" >&2
  tests/long.py || status=$?
  logs+=("${RATCHET_LONG_BUILD:-build-long}/testlog.json")
fi

python3 tests/tally.py "${logs[@]}" || status=1
exit $status
