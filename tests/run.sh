#!/bin/sh
# Every check: format, lint, types, tests. Makes the environment if there is none.
#
#     sh tests/run.sh [PYTEST OPTIONS]

set -eu
cd "$(dirname "$0")/.."
EXTRAS=offline,test
. examples/environment.sh

ruff format --check .
ruff check .
mypy
python -m pytest -n "${PYTEST_WORKERS:-2}" "$@"
