#!/bin/sh
# How much the parameters of the pairwise loss matter: a model for each balance (lambda) and
# margin, and for each decay at the first of these two; one table and one picture at the end
# (Table II and Fig. 6 of the paper, of your data).
#
#     sh examples/sweep.sh [OPTIONS] [FOLDER [-- OPTIONS OF hiertools train classes]]
#
# FOLDER (default: a new one under the system's temporary folder) gets all files. A sweep that
# stopped goes on where it was if the same line is given with the same FOLDER.
#
#     -t TREE -l TRAIN -e TEST   your own data: hierarchy.json, and embeddings whose items have one
#                                class each, to learn from and to test on
#     -i IMAGES                  without them: how many scenes are rendered (default 40)
#     -b LIST -m LIST -a LIST    balances, margins and decays; the first of each is held while
#                                others change (default "0.5 0.1 0.9", "0.2 0.5", "0.3 0.1")
#     -s LIST                    seeds; the table and the picture have means over them (default 0)
#     -n EPOCHS                  (default 90)
#
# The decay is that of the loss and of the inference, for which the paper has one letter. The lists
# of the paper are -b "0.5 0.1 0.3 0.7 0.9" -m "0.2 0.1 0.3 0.4 0.5" -a "0.3 0.1 0.2 0.4 0.5".

set -eu
start=$PWD
tree='' train='' test='' images=40 seeds=0 epochs=90
balances='0.5 0.1 0.9' margins='0.2 0.5' decays='0.3 0.1'
while getopts t:l:e:i:b:m:a:s:n: option; do
    case $option in
        t) tree=$(realpath "$OPTARG") ;;
        l) train=$(realpath "$OPTARG") ;;
        e) test=$(realpath "$OPTARG") ;;
        i) images=$OPTARG ;;
        b) balances=$OPTARG ;;
        m) margins=$OPTARG ;;
        a) decays=$OPTARG ;;
        s) seeds=$OPTARG ;;
        n) epochs=$OPTARG ;;
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
folder=${folder:-$(mktemp -d "${TMPDIR:-/tmp}/hiertools-sweep.XXXXXX")}
mkdir -p "$folder"
cd "$folder"
. "$here/class-material.sh"
mkdir -p runs

# Learn, classify by the paper's rule, search by cosine, and judge both.
one() {
    balance=$1 margin=$2 decay=$3 seed=$4
    shift 4
    name=runs/balance$balance-margin$margin-decay$decay-seed$seed
    printf '\nbalance %s, margin %s, decay %s, seed %s\n' "$balance" "$margin" "$decay" "$seed"
    set -- "$@" --loss "pairwise:balance=$balance,margin=$margin,decay=$decay"
    hiertools train classes "$tree" --embeddings "$train" --allow-absent --epochs "$epochs" \
        --seed "$seed" "$@" -o "$name.h5" --resume -q
    hiertools classify "$test" --model "$name.h5" --rule paper --decay "$decay" \
        -o "$name.jsonl" --overwrite -q
    set -- --tag "balance=$balance" --tag "margin=$margin" --tag "decay=$decay" --tag "seed=$seed"
    hiertools evaluate classes "$name.jsonl" --hierarchy "$tree" "$@" \
        -o "$name.classes.json" --overwrite -q
    hiertools index "$test" --model "$name.h5" -o "$name.index.h5" --overwrite -q
    hiertools evaluate retrieval "$name.index.h5" "$test" "$@" \
        -o "$name.retrieval.json" --overwrite -q
    rm "$name.index.h5"
}

first_of() { echo "$1"; }
files=''
for seed in $seeds; do
    for balance in $balances; do
        for margin in $margins; do
            one "$balance" "$margin" "$(first_of $decays)" "$seed" "$@"
            files="$files $name.classes.json $name.retrieval.json"
        done
    done
    for decay in $decays; do
        [ "$decay" = "$(first_of $decays)" ] && continue
        one "$(first_of $balances)" "$(first_of $margins)" "$decay" "$seed" "$@"
        files="$files $name.classes.json $name.retrieval.json"
    done
done

printf '\nTable II:\n'
hiertools tabulate $files --rows balance,margin,decay --mean-over seed \
    --columns top-1,hierarchical-distance@1,map,ndcg@10
hiertools tabulate $files --format csv -o table.csv --overwrite
run plot sweep $files --metrics top-1,map --mean-over seed -o sweep.png --overwrite
printf '\nAll files are in %s\n' "$PWD"
