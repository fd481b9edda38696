#!/bin/sh
# Makes this environment exactly as if conda had installed it where it lies.
# sh reads these lines; behind them is a zip file of Python modules, which Python reads.
# Isolated, without site-packages, and leaving no bytecode behind that no installer makes.
here=$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || printf '%s\n' "$0")")
for python in "$here/python" python3 python; do
  if "$python" -ISB -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    exec "$python" -ISB "$0" "$@"
  fi
done
echo "conda-unpack: error: it needs a Python from 3.6 on: none is in this environment or on PATH." >&2
exit 127
