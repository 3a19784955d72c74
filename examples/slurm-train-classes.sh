#!/bin/bash
# Train on classes, from images or embeddings, on the GPUs of one node, continued after preemption.
#
#     sbatch examples/slurm-train-classes.sh TREE.json MODEL.h5 --images DIR --encoder SPEC...
#     sbatch examples/slurm-train-classes.sh TREE.json MODEL.h5 --embeddings EMBEDDINGS.h5...
#
# TREE.json is what hiertools build-taxonomy made; what follows MODEL.h5 are options of
# hiertools train classes. Two minutes before its time is up the job gets SIGUSR1, keeps a
# checkpoint and exits with 75; it is then put back into the queue and continues.

#SBATCH --job-name=hiertools-train-classes
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus=4
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -u
tree=$1
model=$2
shift 2

gpus=${SLURM_GPUS_ON_NODE:-1}
if [ "$gpus" -gt 1 ]; then
    run=(torchrun --nproc-per-node "$gpus" -m hiertools)
else
    run=(hiertools)
fi
"${run[@]}" train classes "$tree" "$@" -o "$model" --resume &
pid=$!
stopped=no
trap 'stopped=yes; kill -TERM "$pid"' USR1 TERM
code=75
while kill -0 "$pid" 2> /dev/null; do # a signal ends wait, not the command
    wait "$pid"
    code=$?
done
if [ "$stopped" = yes ] && [ "$code" -ne 0 ]; then
    code=75 # torchrun exits with a code of its own when it is stopped
fi
if [ "$code" -eq 75 ] && command -v scontrol > /dev/null; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
