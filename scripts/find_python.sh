#!/bin/sh
# Prints the path of a Python that can make the virtual environment: 3.11 to 3.13, with venv and pip.
#
#   find_python.sh              the best one of this machine
#   find_python.sh python3.12   this one (a name or a path), or nothing
#
# Every candidate is run before it is believed: a pyenv shim may stand for a version that is not installed.
set -u

path_if_usable() {
    "$1" -c 'import sys, ensurepip, venv
sys.exit(1) if not (3, 11) <= sys.version_info[:2] <= (3, 13) else print(sys.executable)' 2>/dev/null
}

asked=${1:-}
pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
# Unquoted on purpose: the patterns are to be expanded.
if [ -n "$asked" ]; then
    set -- "$asked" "$pyenv"/*/bin/"$asked"
else
    set -- python3 python3.13 python3.12 python3.11 "$pyenv"/3.1[123].*/bin/python3 python
fi
for candidate in "$@"; do
    path_if_usable "$candidate" && exit 0
done

if [ -n "$asked" ]; then
    echo "$asked is not a usable Python 3.11, 3.12 or 3.13 (venv and pip included; Debian: apt install python3-venv)." >&2
else
    echo "No usable Python 3.11, 3.12 or 3.13 found (venv and pip included; Debian: apt install python3-venv)." >&2
    echo "Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
fi
exit 1
