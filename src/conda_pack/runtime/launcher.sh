#!/bin/sh
''':'
# sh reads these lines, Python the rest. The environment's own Python comes first.
# Isolated, without site-packages, and leaving no bytecode: nothing in the environment but what is meant to.
here=$(dirname -- "$(readlink -f -- "$0" 2>/dev/null || printf '%s\n' "$0")")
for python in "$here/python" python3 python; do
  if "$python" -ISB -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    exec "$python" -ISB "$0" "$@"
  fi
done
echo "conda-unpack: error: it needs a Python from 3.6 on: none is in this environment or on PATH." >&2
exit 127
'''
