#!/bin/sh
# The main job on sample data: render scenes, mine their hierarchy, embed them, learn where wholes
# and parts lie, search, and judge the search on scenes that the training has not seen.
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

run hiertools train parts pairs.h5 --embeddings train.h5 -o model.h5 --overwrite
run hiertools index test.h5 --model model.h5 -o index.h5 --overwrite
run hiertools index test.h5 -o untrained.h5 --overwrite

# The parts of each scene among all boxes: by angle with the model, by cosine without.
run hiertools query index.h5 test.h5 -k 20 --find children --only-queries image \
    -o results.jsonl --overwrite
run hiertools query untrained.h5 test.h5 -k 20 --find children --only-queries image \
    -o untrained.jsonl --overwrite
run hiertools wasserstein results.jsonl untrained.jsonl --hierarchy tree.json --ground path

run hiertools evaluate parts untrained.h5 test.h5 --hierarchy tree.json --exclude image \
    -o untrained.json --overwrite -q
run hiertools evaluate parts index.h5 test.h5 --hierarchy tree.json --exclude image \
    --against untrained.json -o metrics.json --overwrite

run hiertools check --full scenes/hierarchy.json tree.json pairs.h5 train.h5 test.h5 model.h5 \
    model.h5.log.jsonl index.h5 untrained.h5 results.jsonl untrained.jsonl metrics.json

printf '\nAll files are in %s\n' "$folder"
