"""Queries of an index: embeddings, or images that are embedded by the encoder of the index."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiertools.files.embeddings import Vectors
    from hiertools.files.items import Items
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.search.choosing import Rows


class Kind(StrEnum):
    """Kinds of items."""

    image = "image"
    box = "box"


@dataclass
class Batch:
    """Some rows of a table of queries, which the file `name` has."""

    items: "Items"
    vectors: "Vectors"
    rows: "Rows"
    name: str


def batches(
    run: "Run", found: "Document", index: Path, options: dict[str, Any], bad: list[str]
) -> Iterator[Batch]:
    """Return the queries. Images that cannot be used are added to `bad`, with the reason."""
    from hiertools.files import hdf5, inputs

    paths, listed = options["queries"], options["images"]
    images = None if listed is None else run.used(listed, inputs.lines(listed))
    files = [path != inputs.STDIN and not path.is_dir() and hdf5.is_hdf5(path) for path in paths]
    if any(files) and not all(files):
        other = paths[files.index(False)]
        raise UsageError(f"{other} is not HDF5: queries are embeddings or images, not both")
    if not any(files):
        return _of_images(run, found, index, options, images, bad)
    if options["max_bad"]:
        raise UsageError("queries are embeddings: --max-bad does not apply")
    read = [_of_embeddings(run, found, index, path, options, images) for path in paths]
    return iter(read)


def _of_embeddings(
    run: "Run",
    found: "Document",
    index: Path,
    path: Path,
    options: dict[str, Any],
    images: list[str] | None,
) -> Batch:
    import numpy as np

    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.search.placing import check_fit

    queries = read_embeddings(path)
    run.add_input(path, inputs.digest_file(path), queries.chain)
    features = queries.vectors.shape[1]
    check_fit(queries.meta, features, str(path), found, str(index))
    kept = _chosen(queries.items, images, options["only_queries"], str(path))
    return Batch(queries.items, queries.vectors, np.flatnonzero(kept), str(path))


def _chosen(
    table: "Items", images: list[str] | None, only: Kind | None, name: str
) -> "NDArray[np.bool_]":
    import numpy as np

    from hiertools.search import choosing

    kept = np.ones(len(table), np.bool_)
    if images is not None:
        kept &= choosing.of_images(table, images, name)
    if only is not None:
        kept &= choosing.of_kind(table, only.value, name)
    return kept


def _of_images(
    run: "Run",
    found: "Document",
    index: Path,
    options: dict[str, Any],
    images: list[str] | None,
    bad: list[str],
) -> Iterator[Batch]:
    """Embed images by the index's encoder, batch by batch."""
    import numpy as np

    from hiertools import embedding, inventory, profiling
    from hiertools.encoder import load

    name = ", ".join(map(str, options["queries"]))
    if found["encoder"].startswith("from:"):
        raise UserError(
            f"{index}: is of vectors made elsewhere ({found['encoder']}), and {name} is no file of"
            " such; give embeddings that embed --from has made"
        )
    queries = inventory.of_images(options["queries"], root=None)
    chosen = _chosen(queries.items, images, options["only_queries"], name)
    queries = queries.take(chosen)
    run.add_input(name, queries.digest())
    encoder = load(found["encoder"], seed=0)
    settings = embedding.Settings(
        found["output"], options["device"], "float32", _PICTURES, 0, min_size=1, blur=0.0,
        engine="torch",
    )  # fmt: skip
    about = embedding.describe(queries, encoder, settings, name=found["encoder"])
    if about["digest"] != found["digest"]:
        raise UserError(
            f"{index}: is of the encoder {found['encoder']} ({found['digest'][:12]}), which is now"
            f" {about['digest'][:12]}; index anew"
        )

    def embedded_batches() -> Iterator[Batch]:
        made = embedding.embed(queries, encoder, settings, start=0)
        for embedded in profiling.staged("embedding", made):
            bad.extend(f"{reject['path']}: {reject['reason']}" for reject in embedded.rejects)
            rows = np.arange(len(embedded.used))
            yield Batch(queries.items.take(embedded.used), embedded.vectors, rows, name)

    return embedded_batches()


_PICTURES = 32  # that the encoder embeds together
