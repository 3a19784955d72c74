#!/bin/sh
# Accuracy against time: one search, re-ranked by every method, as a table, and pictures of what was
# found.
#
#     sh examples/rerank.sh [OPTIONS] [FOLDER]
#
# FOLDER (default: a new one under the system's temporary folder) gets all files. Files that are there
# already are used again.
#
#     -p PHOTOS      a folder of your own images, each of which is searched for among the others;
#                    without it the objects of rendered scenes are searched for among the scenes
#     -t TRUTH       what is relevant to each image (JSON: {"ID": ["ID", ...]}, or TREC qrels); without
#                    it there are times alone
#     -i IMAGES      how many scenes are rendered (default 60)
#     -m METHODS     methods, with blanks between

set -eu
start=$PWD
photos='' truth='' images=60
methods='alpha-qe:n=3 aqe:n=3 database-qe:n=2 superglobal k-reciprocal:k1=10,k2=3 diffusion:k=10,seeds=3
    spatial hypergraph hypergraph:variant=bfs topological'
while getopts p:t:i:m: option; do
    case $option in
        p) photos=$(realpath "$OPTARG") ;;
        t) truth=$(realpath "$OPTARG") ;;
        i) images=$OPTARG ;;
        m) methods=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

cd "$(dirname "$0")/.."
EXTRAS=offline
. examples/environment.sh
cd "$start"
folder=${1:-$(mktemp -d "${TMPDIR:-/tmp}/hiertools-rerank.XXXXXX")}
mkdir -p "$folder"
cd "$folder"

run() {
    printf '\n$ hiertools %s\n' "$*"
    hiertools "$@"
}

if [ -n "$photos" ]; then
    [ -e queries.h5 ] || run embed "$photos" -o queries.h5
    [ -e index.h5 ] || run index queries.h5 -o index.h5
    asked=''
else
    # An object is a box of a scene; its scene is what is to be found.
    photos=scenes/test
    [ -e scenes ] || run sample scenes --images "$images"
    [ -e queries.h5 ] || run embed "$photos" --boxes scenes/test-annotations-bbox.csv \
        --min-area 0.02 -o queries.h5
    [ -e index.h5 ] || run index queries.h5 --only image -o index.h5
    asked='--only-queries box --exclude none'
fi
[ -e local.h5 ] || run embed --local "$photos" -o local.h5
# shellcheck disable=SC2086
[ -e results.jsonl ] || run query index.h5 queries.h5 $asked -k 100 -o results.jsonl
[ -e verified.h5 ] || run verify index.h5 --local local.h5 -o verified.h5
if [ -z "$truth" ] && [ -n "$asked" ]; then
    truth=truth.json
    sed -n 's/^{"query": *"\([^"#]*\)\(#[0-9]*\)".*/"\1\2": ["\1"]/p' results.jsonl \
        | paste -s -d , | sed 's/^/{/; s/$/}/' >"$truth"
fi

judge() {
    [ -n "$truth" ] || return 0
    hiertools evaluate retrieval "$2" --truth "$truth" --tag "method=$1" -o "$3" --overwrite -q
    files="$files $3"
}

files=''
judge initial results.jsonl initial.json
n=0
for method in $methods; do
    n=$((n + 1))
    needs=''
    case $method in hypergraph*) needs='--verified verified.h5' ;; esac
    # shellcheck disable=SC2086
    run rerank results.jsonl --index index.h5 --queries queries.h5 --local local.h5 $needs \
        --method "$method" --masks "masks-$n.jsonl" -o "reranked-$n.jsonl" --overwrite
    judge "$method" "reranked-$n.jsonl" "reranked-$n.json"
done

printf '\nTwo methods, one after the other, in a pipe:\n'
hiertools rerank results.jsonl --index index.h5 --queries queries.h5 --method alpha-qe:n=3 -o - \
    | hiertools rerank - --index index.h5 --queries queries.h5 --local local.h5 --method spatial \
        --explain --masks masks.jsonl -o chained.jsonl --overwrite
judge 'alpha-qe:n=3 | spatial' chained.jsonl chained.json

if [ -n "$files" ]; then
    printf '\nAccuracy:\n'
    # shellcheck disable=SC2086
    hiertools tabulate $files --rows method --columns map,precision@1
fi
if [ -z "$asked" ] && [ "$(wc -l <masks.jsonl)" -gt 1 ]; then
    run plot masks masks.jsonl --images "$photos" -o masks.png --overwrite
fi
printf '\nAll files are in %s\n' "$PWD"
