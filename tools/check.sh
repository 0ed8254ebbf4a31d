#!/bin/sh
# Everything that `make check` checks.  All of it runs even when one part fails; the exit code says whether any did.
set -u
cd "$(dirname "$0")/.."
failed=

run() {
    title=$1
    shift
    printf '%s\n' "== $title"
    "$@" || failed="$failed, $title"
}

python_dirs=conftest.py
for dir in src tests examples benchmarks docs tools; do [ -d "$dir" ] && python_dirs="$python_dirs $dir"; done

# shellcheck disable=SC2086 -- a list of folders
{
    run "ruff check" ruff check $python_dirs
    run "ruff format" ruff format --check $python_dirs
}
run "mypy --strict" mypy
# basedpyright is pyright with its JavaScript inside the wheel: the locks cover it whole, nothing is fetched later.
run "mypy: the code of a user" mypy tests/typing
run "pyright: the code of a user" basedpyright --level error tests/typing
run "pyright: the public face is typed" python tools/publicface.py
run "import rules" lint-imports --no-logo
run "changelog fragments" python tools/changelog.py

if [ -n "$failed" ]; then
    printf '%s\n' "make check failed: ${failed#, }" >&2
    exit 1
fi
printf '%s\n' "make check: all good"
