#!/bin/bash
# shell.sh TOP: every shell script of the tree passes shellcheck.
set -euo pipefail
cd "$1"
mapfile -t scripts < <(grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' --exclude-dir=build --exclude-dir=.git . | sort)
shellcheck --external-sources "${scripts[@]}"
echo "${#scripts[@]} scripts pass shellcheck"
