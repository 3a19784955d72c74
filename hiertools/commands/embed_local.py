"""The side of `hiertools embed` that is for local features."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import SkippedError, UsageError

if TYPE_CHECKING:
    from hiertools.files.provenance import Run
    from hiertools.inventory import Inventory

# Options of `embed` that local features have no use for, as they are when not given; and those of
# local features alone.
NOT_OF_LOCAL: dict[str, Any] = {
    "encoder": "lite0", "boxes": None, "format": "auto", "only": None, "min_size": 1,
    "min_area": Decimal("0"), "max_area": Decimal("1"), "blur": 0.0, "text": False, "ids": None,
    "key": None, "logits": False, "device": "auto", "precision": "auto", "engine": "auto",
    "batch_size": 32,
}  # fmt: skip
OF_LOCAL: dict[str, Any] = {"keypoints": 2000, "max_side": 1024}
OF_PICTURES: dict[str, Any] = {
    **OF_LOCAL, "inputs": None, "images": None, "image_root": None, "table": None,
    "label_from": None, "shard": "", "rejects": None, "max_bad": 0, "resume": False,
    "dry_run": False,
}  # fmt: skip
OUTPUT = Path("local.h5")


def embed_local(options: dict[str, Any], inventory_of: Any) -> None:
    """Write local features. inventory_of: gives the images, of a run."""
    from hiertools.files import atomic
    from hiertools.files.provenance import Run

    output = options["output"] or OUTPUT
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    rejects = options["rejects"] or Path(f"{output}.rejects.jsonl")
    if not options["dry_run"]:
        atomic.check_writable(output, overwrite=options["overwrite"] or options["resume"])
    run = Run("embed", options, keep=not options["no_provenance"])
    if options["from_"] is not None:
        _take(run, options["from_"], options["made_by"], output, options["overwrite"])
        return
    if not options["inputs"]:
        raise UsageError("name folders or lists of images, or give --from")
    inventory = inventory_of(run)
    if options["dry_run"]:
        from hiertools.terminal import say

        say(f"would find local features of {len(inventory):,} images for {output}")
        return
    bad = _extract(run, inventory, options, output, rejects)
    if bad > options["max_bad"]:
        raise SkippedError(f"{bad:,} images could not be used; see {rejects}")


def _extract(
    run: "Run", inventory: "Inventory", options: dict[str, Any], output: Path, rejects: Path
) -> int:
    """Find and write features and rejects; return the number of these."""
    from hiertools.files.rejects import write_rejects
    from hiertools.local.extraction import Settings
    from hiertools.local_parts import Parts, extract_in_parts
    from hiertools.signals import stop_flag
    from hiertools.terminal import progress, say

    settings = Settings(options["keypoints"], options["max_side"])
    store = Parts(output, inventory, settings)
    if options["resume"] and store.is_done(output):
        say(f"{output}: is complete already")
        return 0
    parts = store.begin(resume=options["resume"], overwrite=options["overwrite"])
    with stop_flag() as flag, progress("finding features", len(inventory)) as tick:
        parts = extract_in_parts(
            inventory, settings, workers=options["workers"], store=store, parts=parts, flag=flag,
            tick=tick,
        )  # fmt: skip
    bad = [reject for part in parts for reject in part.rejects]
    chain = run.chain()
    if bad or (options["overwrite"] and rejects.exists()):  # an older list is not of this run
        write_rejects(rejects, bad, chain=chain, overwrite=True)
    images, features = store.finish(output, parts, chain=chain, overwrite=options["overwrite"])
    say(f"{output}: {features:,} local features of {images:,} images")
    return len(bad)


def _take(run: "Run", path: Path, made_by: str | None, output: Path, overwrite: bool) -> None:
    """Take local features that were made elsewhere."""
    import numpy as np

    from hiertools.files import inputs, items
    from hiertools.files.hloc import read_hloc
    from hiertools.files.items import Items
    from hiertools.files.local_features import write_local
    from hiertools.terminal import say

    found = read_hloc(path)
    run.add_input(path, inputs.digest_file(path))
    ids = items.encode(found.ids)
    table = Items(ids, ids, np.zeros(len(ids), np.uint8))
    meta = {
        "descriptor": f"from:{made_by or path.name}", "dimension": found.dimension,
        "stored": found.stored,
    }  # fmt: skip
    write_local(output, table, found.raws, meta=meta, chain=run.chain(), overwrite=overwrite)
    say(f"{output}: local features of {len(ids):,} images, of {found.dimension} dimensions")
