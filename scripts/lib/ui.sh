# shellcheck shell=bash
# What the scripts say and how: one updating line on a terminal, plain lines everywhere else.
# Sourced by every script in scripts/. Needs bash 5.
# shellcheck disable=SC2034  # each script uses what it needs of this

if [[ -t 1 ]]; then
  ON_TERMINAL=yes
  BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' PLAIN=$'\e[0m' CLEAR_LINE=$'\r\e[K'
else
  ON_TERMINAL=
  BOLD='' RED='' GREEN='' YELLOW='' PLAIN='' CLEAR_LINE=''
fi

say() { printf '%s%s\n' "$CLEAR_LINE" "$*"; }
heading() { printf '%s%s== %s%s\n' "$CLEAR_LINE" "$BOLD" "$*" "$PLAIN"; }
warn() { printf '%s%swarning:%s %s\n' "$CLEAR_LINE" "$YELLOW" "$PLAIN" "$*" >&2; }
die() {
  printf '%s%serror:%s %s\n' "$CLEAR_LINE" "$RED" "$PLAIN" "$*" >&2
  exit 1
}

# The comment at the top of a script is its help text.
show_help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

# A line that the next one replaces. Nothing is shown where lines cannot be replaced.
progress() {
  [[ -n $ON_TERMINAL ]] || return 0
  local text="$*" columns
  columns=$(tput cols 2>/dev/null) || columns=80
  printf '%s%s' "$CLEAR_LINE" "${text:0:columns-1}"
}

# Seconds since the script began, or between two values of $SECONDS, as "1 min 05 s".
duration() {
  local seconds=$1
  if ((seconds >= 60)); then
    printf '%d min %02d s' $((seconds / 60)) $((seconds % 60))
  else
    printf '%d s' "$seconds"
  fi
}
