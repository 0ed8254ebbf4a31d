#!/bin/sh
# Compiles requirements/*.txt with uv: every platform, Python 3.11 and newer, a hash for each file.
#
# No lock names an index, a host or a download address: pip takes the files from wherever the reader's pip looks,
# and the hashes say whether they are the right ones.  Each lock is constrained by the ones before it, so that all
# of them fit into one environment.  Upgrade with: make lock UV_FLAGS=--upgrade
set -eu
cd "$(dirname "$0")/.."

command -v "${UV:=uv}" >/dev/null 2>&1 || {
    echo "error: make lock needs uv; name it with make lock UV=/path/to/uv" >&2
    exit 1
}

compile() {
    name=$1
    shift
    # shellcheck disable=SC2086 -- several flags in one variable
    "$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --constraint requirements/floors.txt "$@" ${UV_FLAGS:-} \
        --output-file "requirements/$name.txt"
}

compile run pyproject.toml
compile build --group build --constraint requirements/run.txt
compile test pyproject.toml --all-extras --group test --constraint requirements/run.txt --constraint requirements/build.txt
compile lint --group lint --constraint requirements/test.txt
compile docs pyproject.toml --group docs --constraint requirements/test.txt
compile bench pyproject.toml --all-extras --group bench --constraint requirements/test.txt
