#!/bin/bash
# Embed a large folder as a Slurm array: each task one shard, continued after preemption.
#
#     sbatch examples/slurm-embed.sh IMAGES OUTPUT_FOLDER
#
# Two minutes before its time is up a task gets SIGUSR1, keeps its work and exits with 75; it is
# then put back into the queue and continues. Commands that follow take all shards as they are:
# OUTPUT_FOLDER/shard-*.h5.

#SBATCH --job-name=hiertools-embed
#SBATCH --array=0-15
#SBATCH --cpus-per-task=8
#SBATCH --gpus=1
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -u
images=$1
folder=$2
mkdir -p "$folder"
output=$folder/shard-$(printf %03d "$SLURM_ARRAY_TASK_ID").h5

# The shard comes from SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT.
hiertools embed "$images" --workers "${SLURM_CPUS_PER_TASK:-2}" -o "$output" --resume &
pid=$!
trap 'kill -USR1 "$pid"' USR1 TERM
code=75
while kill -0 "$pid" 2> /dev/null; do # a signal ends wait, not the command
    wait "$pid"
    code=$?
done
if [ "$code" -eq 75 ] && command -v scontrol > /dev/null; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
