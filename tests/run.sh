#!/bin/sh
# Every check: format, lint, types, tests. Makes the environment if there is none.
#
#     sh tests/run.sh [PYTEST OPTIONS]

set -eu
cd "$(dirname "$0")/.."
EXTRAS=offline,test
. examples/environment.sh

# numba keeps a compiled loop while its own file is the same, whatever changed in what it calls
newest=$(find hiertools -name '*.py' -exec ls -t {} + | sed -n 1p)
find hiertools -name '*.nbi' ! -newer "$newest" -delete

ruff format --check .
ruff check .
mypy
python -m pytest -n "${PYTEST_WORKERS:-2}" "$@"
