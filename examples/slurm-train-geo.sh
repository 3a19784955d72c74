#!/bin/bash
# Learn where entities and images lie on the GPUs of one node, continued after preemption.
#
#     sbatch examples/slurm-train-geo.sh ENTITIES.h5 MODEL.h5 EMBEDDINGS.h5...
#
# ENTITIES.h5 is what hiertools build-entities made; EMBEDDINGS.h5 may be many, such as the shards
# of slurm-embed.sh. Two minutes before its time is up the job gets SIGUSR1, keeps a checkpoint and
# exits with 75; it is then put back into the queue and continues.

#SBATCH --job-name=hiertools-train-geo
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus=4
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -u
entities=$1
model=$2
shift 2
embeddings=()
for file in "$@"; do
    embeddings+=(--embeddings "$file")
done

gpus=${SLURM_GPUS_ON_NODE:-1}
if [ "$gpus" -gt 1 ]; then
    run=(torchrun --nproc-per-node "$gpus" -m hiertools)
else
    run=(hiertools)
fi
"${run[@]}" train geo "$entities" "${embeddings[@]}" -o "$model" --resume &
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
