#!/bin/sh
# Makes this environment exactly as if conda had installed it where it lies.
# sh reads these lines; behind them is a zip file of Python modules, which Python reads.
# Isolated, without site-packages, and leaving no bytecode behind that no installer makes.
# shellcheck disable=SC2016,SC2034,SC2154  # variables are set and read by code that awk writes
# shellcheck disable=SC2015,SC2317,SC2329  # and functions are called by it
[ -z "${ZSH_VERSION-}" ] || emulate sh
here=$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || printf '%s\n' "$0")")
for python in "$here/python" python3 python; do
  if "$python" -ISB -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    exec "$python" -ISB "$0" "$@"
  fi
done
# Without any Python, what follows does the same, by awk, dd and the like.

@unpack.sh@
