#!/bin/sh
# The main job on sample data: render scenes, mine their hierarchy, embed them, look at the files.
#
#     sh examples/quickstart.sh [FOLDER [IMAGES]]
#
# FOLDER (default: a new one under the system's temporary folder) gets all files; IMAGES (default
# 250) is how many are rendered.

set -eu
cd "$(dirname "$0")/.."
EXTRAS=offline
. examples/environment.sh

folder=${1:-$(mktemp -d "${TMPDIR:-/tmp}/hiertools-quickstart.XXXXXX")}
mkdir -p "$folder"
cd "$folder"

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

run hiertools sample scenes --images "${2:-250}" --overwrite

run hiertools mine-hierarchy scenes/train-annotations-bbox.csv --freq 50 --prop 0.1 \
    --labels scenes/class-descriptions-boxable.csv --pairs pairs.h5 -o tree.json --overwrite
run hiertools info tree.json

run hiertools embed scenes/train --boxes scenes/train-annotations-bbox.csv --min-area 0.01 \
    -o train.h5 --overwrite
run hiertools embed scenes/test --boxes scenes/test-annotations-bbox.csv --min-area 0.01 \
    -o test.h5 --overwrite
run hiertools info test.h5

run hiertools check --full scenes/hierarchy.json tree.json pairs.h5 train.h5 test.h5

printf '\nAll files are in %s\n' "$folder"
