#!/bin/sh
# What the loss, the inference and the search each do with a hierarchy: Tables V, VI and VII of the
# paper, of your data.
#
#     sh examples/ablation.sh [OPTIONS] [FOLDER [-- OPTIONS OF hiertools train classes]]
#
# FOLDER (default: a new one under the system's temporary folder) gets all files. A run that stopped
# goes on where it was if the same line is given with the same FOLDER.
#
#     -t TREE -l TRAIN -e TEST   your own data: hierarchy.json, and embeddings whose items have one
#                                class each, to learn from and to test on; at least five classes
#     -i IMAGES                  without them: how many scenes are rendered (default 40)
#     -L LIST                    losses beside the flat one, as in --loss (default pairwise)
#     -r LIST                    rules of inference beside argmax (default "paper crm")
#     -s LIST                    seeds; the tables have means over them (default 0)
#     -n EPOCHS                  (default 90)
#     -E N,...                   where the bins of Table VII begin, such as 1000,2000 (default: three
#                                bins of about as many classes)
#     -k N                       --top-categories of hierarchical search (default 10)
#
# Flat is cross-entropy and argmax. Searches with classes take those that the model predicts; they
# are done with the flat model too, because the search alone explains a part of what they gain.

set -eu
start=$PWD
tree='' train='' test='' images=40 seeds=0 epochs=90 edges='' categories=10
losses=pairwise rules='paper crm'
while getopts t:l:e:i:L:r:s:n:E:k: option; do
    case $option in
        t) tree=$(realpath "$OPTARG") ;;
        l) train=$(realpath "$OPTARG") ;;
        e) test=$(realpath "$OPTARG") ;;
        i) images=$OPTARG ;;
        L) losses=$OPTARG ;;
        r) rules=$OPTARG ;;
        s) seeds=$OPTARG ;;
        n) epochs=$OPTARG ;;
        E) edges=$OPTARG ;;
        k) categories=$OPTARG ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
folder=''
if [ $# -gt 0 ] && [ "$1" != -- ]; then
    folder=$1
    shift
fi
[ "${1:-}" = -- ] && shift

cd "$(dirname "$0")/.."
EXTRAS=offline
. examples/environment.sh
here=$PWD/examples
cd "$start"
folder=${folder:-$(mktemp -d "${TMPDIR:-/tmp}/hiertools-ablation.XXXXXX")}
mkdir -p "$folder"
cd "$folder"
. "$here/class-material.sh"
mkdir -p runs

# Judge the classes that a rule chooses.
classified() {
    hiertools classify "$test" --model "$model.h5" --rule "$rule" -o "$model-$rule.jsonl" \
        --overwrite -q
    hiertools evaluate classes "$model-$rule.jsonl" --hierarchy "$tree" \
        --counts "$model.h5" ${edges:+--edges "$edges"} \
        --tag "loss=$loss" --tag "rule=$rule" --tag "seed=$seed" \
        -o "$model-$rule.classes.json" --overwrite -q
    judged="$judged $model-$rule.classes.json"
}

# Judge the ranking of all test items for each of them.
searched() {
    hiertools evaluate retrieval "$model.index.h5" "$test" --by "$by" \
        --top-categories "$categories" \
        --tag "loss=$loss" --tag "search=$by" --tag "seed=$seed" \
        -o "$model-$by.retrieval.json" --overwrite -q
    ranked="$ranked $model-$by.retrieval.json"
}

judged='' ranked=''
for seed in $seeds; do
    for loss in cross_entropy $losses; do
        printf '\n%s, seed %s\n' "$loss" "$seed"
        model=runs/$(echo "$loss" | tr ':=,' '---')-seed$seed
        hiertools train classes "$tree" --embeddings "$train" --allow-absent --loss "$loss" \
            --epochs "$epochs" --seed "$seed" "$@" -o "$model.h5" --resume -q
        for rule in argmax $rules; do
            classified
        done
        hiertools index "$test" --model "$model.h5" -o "$model.index.h5" --overwrite -q
        for by in cosine weighted hierarchical; do
            searched
        done
    done
done

table() {
    printf '\n%s\n' "$1"
    shift
    hiertools tabulate "$@" --mean-over seed
}
table 'Table VI, classes: what the loss and the inference do, alone and together' $judged \
    --rows loss,rule --columns top-1,top-5,hierarchical-distance@1,hierarchical-distance@5
table 'Tables V and VI, retrieval: what the loss and the search do (chance: of a random ranking)' \
    $ranked --rows loss,search --columns map,ndcg@10,ndcg@10:chance,hp@10,ahp
table 'Table VII: accuracy by how many items of a class there were in training' $judged \
    --table sizes --rows loss,rule --across from --columns accuracy
hiertools tabulate $judged $ranked --format csv -o table.csv --overwrite
printf '\nAll files are in %s\n' "$PWD"
