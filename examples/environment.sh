# Make the Python environment, or use the one that is there: $VIRTUAL_ENV, else .venv.
# Sourced from the project's root by examples/quickstart.sh and tests/run.sh with the extras to
# install in $EXTRAS, such as EXTRAS=offline.

set -eu

if [ -z "${VIRTUAL_ENV:-}" ]; then
    VIRTUAL_ENV=$PWD/.venv
    if [ ! -x "$VIRTUAL_ENV/bin/python" ]; then
        echo "making an environment in .venv (some minutes: PyTorch is large)" >&2
        "${PYTHON:-python3}" -m venv "$VIRTUAL_ENV"
    fi
fi
PATH=$VIRTUAL_ENV/bin:$PATH
export VIRTUAL_ENV PATH

# What was installed, and from where: a changed pyproject.toml or a moved checkout installs anew.
stamp=$VIRTUAL_ENV/.hiertools-installed
wanted=$(mktemp)
trap 'rm -f "$wanted"' EXIT
{ pwd; cat pyproject.toml; } > "$wanted"
installed() {
    for extra in $(echo "$EXTRAS" | tr , ' '); do
        cmp -s "$wanted" "$stamp-$extra" || return 1
    done
    # found, not imported: PyTorch takes seconds
    python -c 'import sys
from importlib.util import find_spec
sys.exit(not (find_spec("hiertools") and find_spec("torch")))'
}
if ! installed; then
    echo "installing hiertools[$EXTRAS] into $VIRTUAL_ENV" >&2
    # The versions that the project is tested with, before anything else asks for newer ones.
    python -m pip install --quiet torch==2.14.1 torchvision==0.29.1 >&2
    python -m pip install --quiet --editable ".[$EXTRAS]" >&2
    for extra in $(echo "$EXTRAS" | tr , ' '); do
        cp "$wanted" "$stamp-$extra"
    done
fi
rm -f "$wanted"
trap - EXIT
