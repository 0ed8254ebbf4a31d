#!/bin/sh
# Usage: tools/install.sh LOCK...      e.g. tools/install.sh run test
#
# Makes .venv and installs requirements/LOCK.txt into it, each only when its content changed since the last time.
# 1. Always a virtual environment of our own: a system Python may be externally managed (PEP 668), and nobody is root.
# 2. Only hashes that the locks name are installed; the build tools come from a lock too.
# 3. A stamp is a copy of the lock, written after success: an interrupted install is done again.
set -eu
cd "$(dirname "$0")/.."
venv=.venv

say() { printf '%s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Print the interpreter to use, or say what is missing.
find_python() {
    without_venv=
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        command -v "$candidate" >/dev/null 2>&1 && new_enough "$candidate" || continue
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
        without_venv=${without_venv:-$candidate}
    done
    if [ -n "$without_venv" ]; then
        say "error: $without_venv cannot make virtual environments: its module venv or ensurepip is missing."
        say "  Debian, Ubuntu: install the package python3-venv.  Elsewhere: install Python from your system's packages."
    elif [ -n "${PYTHON:-}" ]; then
        say "error: PYTHON=$PYTHON is not a Python of version 3.11 or newer."
    else
        say "error: no Python of version 3.11 or newer was found on PATH."
        say "  Install one, or name it: make test PYTHON=/path/to/python3.11"
    fi
    return 1
}

# An environment is good while its interpreter starts and, where PYTHON says which one, is of that version.
venv_is_good() {
    new_enough "$venv/bin/python" || return 1
    [ -n "${PYTHON:-}" ] || return 0
    tell='import sys; print(sys.version_info[:3])'
    [ "$("$venv/bin/python" -c "$tell")" = "$("$PYTHON" -c "$tell" 2>/dev/null)" ]
}

if ! venv_is_good; then
    python=$(find_python)
    say "Making $venv with $python"
    "$python" -m venv --clear "$venv"
fi

stamps=$venv/stamps
mkdir -p "$stamps"
pip() { "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

wanted=
for lock in build "$@"; do
    cmp -s "requirements/$lock.txt" "$stamps/$lock.txt" || wanted="$wanted $lock"
done
if [ -n "$wanted" ]; then
    say "Installing:$wanted"
    arguments=
    for lock in $wanted; do arguments="$arguments --requirement requirements/$lock.txt"; done
    # shellcheck disable=SC2086 -- the words of $arguments are ours and have no blanks
    pip install --require-hashes $arguments
    for lock in $wanted; do cp "requirements/$lock.txt" "$stamps/$lock.txt"; done
fi
if ! cmp -s pyproject.toml "$stamps/pyproject.toml" || ! [ -x "$venv/bin/backstay" ]; then
    pip install --no-index --no-deps --no-build-isolation --editable .
    cp pyproject.toml "$stamps/pyproject.toml"
fi
