"""`hiertools verify`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiertools.commands.options import (
    Device,
    NoProvenance,
    Overwrite,
    Resume,
    Seed,
    Shard,
    parse_shard,
)
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.files.local_features import Local
    from hiertools.files.provenance import Run
    from hiertools.files.verified import Pair
    from hiertools.reranking.assembling import Boxes, Features
    from hiertools.reranking.verifying import Job

Pairs = list[tuple[str, str]]


class Model(StrEnum):
    """Models of the geometry of two images."""

    homography = "homography"
    affine = "affine"


def verify(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INDEX|RESULTS",
            help="An index, of whose items those are paired that are near; or results, of which"
            " queries are paired with their hits.",
            show_default=False,
        ),
    ],
    local: Annotated[
        list[Path],
        typer.Option(
            metavar="H5",
            help="Local features, from hiertools embed --local; may come again.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="H5", help="Where the pairs go.")
    ] = Path("verified.h5"),
    top: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Nearest items of each item, or hits of each query, to pair."
        ),
    ] = 200,
    every: Annotated[
        bool, typer.Option("--all", help="Pair every item of an index with every other.")
    ] = False,
    ratio: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Of a match: its distance, by that to the second nearest feature, is below this.",
        ),
    ] = 0.8,
    pixels: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="How far an inlier may be off, in images whose longer side is 1024.",
        ),
    ] = 4.0,
    model: Annotated[Model, typer.Option(help="What inliers must agree with.")] = Model.homography,
    least: Annotated[
        int, typer.Option(min=3, metavar="N", help="Inliers without which there are none.")
    ] = 6,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes that verify.")] = 2,
    shard: Shard = "",
    device: Device = "auto",
    seed: Seed = 0,
    resume: Resume = False,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Find which pairs of images show the same thing, ready for `hiertools rerank`.

    Local features that look alike are matched, and those matches kept that one plane explains. Each
    pair is looked at once, whatever its order.
    """
    options = dict(locals())
    from hiertools.files import atomic
    from hiertools.files.provenance import Run
    from hiertools.local.verification import Matching
    from hiertools.reranking.assembling import Features
    from hiertools.reranking.verifying import job

    part, matching = parse_shard(shard), Matching(ratio, pixels, model.value, least, seed)
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    atomic.check_writable(output, overwrite=overwrite or resume)
    run = Run("verify", options, keep=not no_provenance)
    files, digest = _local(run, local)
    pairs, boxes = _pairs(run, source, None if every else top, device)
    first, last = (len(pairs) * i // part[1] for i in (part[0], part[0] + 1))
    features = Features(files, boxes)
    work = job(pairs[first:last], features, matching, digest)
    if resume and _is_done(output, work):
        return
    _verify(run, work, features, workers, output, resume, overwrite)


def _local(run: "Run", paths: list[Path]) -> "tuple[list[Local], str]":
    """Return files of local features, and what they are: a digest of their digests."""
    from hiertools.files import inputs
    from hiertools.files.local_features import read_local
    from hiertools.files.verified import digest_of

    files, digests = [], []
    for path in paths:
        files.append(read_local(path))
        digests.append(inputs.digest_file(path))
        run.add_input(path, digests[-1], files[-1].chain)
    return files, digest_of(digests)


def _pairs(run: "Run", source: Path, top: int | None, device: str) -> "tuple[Pairs, Boxes]":
    from hiertools.files import hdf5, inputs
    from hiertools.files.results import KIND

    if source != inputs.STDIN and hdf5.is_hdf5(source):
        with hdf5.reading(source) as reader:
            kind = reader.kind
        if kind != KIND:
            return _of_index(run, source, top, device)
    if top is None:
        raise UsageError("--all is for an index; results say which pairs there are")
    return _of_results(run, source, top), {}


def _of_results(run: "Run", path: Path, top: int) -> Pairs:
    from hiertools.files.inputs import Source
    from hiertools.files.results import read_results

    source = Source(path)
    header, rankings = read_results(source)
    found = dict.fromkeys((ranking.query, key) for ranking in rankings for key in ranking.ids[:top])
    run.add_input(path, source.digest(), header.get("provenance"))
    once: dict[frozenset[str], tuple[str, str]] = {}
    for pair in found:
        once.setdefault(frozenset(pair), pair)
    if not once:
        raise UserError(f"{path}: has no hits to verify")
    return list(once.values())


def _of_index(run: "Run", path: Path, top: int | None, device: str) -> "tuple[Pairs, Boxes]":
    import numpy as np

    from hiertools.embedding import choose_device
    from hiertools.files import inputs, items
    from hiertools.files.index import read_index
    from hiertools.reranking.assembling import boxes_of
    from hiertools.reranking.directions import directions
    from hiertools.reranking.neighbours import nearest

    index = read_index(path)
    run.add_input(path, inputs.digest_file(path), index.chain)
    ids = [items.decode(key) for key in index.items.id]
    n = len(ids)
    if n < 2:
        raise UserError(f"{path}: has {n} items; a pair needs two")
    if top is None or top >= n - 1:
        left, right = np.triu_indices(n, 1)
    else:
        vectors = directions(index.points)
        near = nearest(vectors, vectors, top, device=choose_device(device), without_self=True)
        rows = np.repeat(np.arange(n), near.rows.shape[1])
        others = near.rows.ravel().astype(np.int64)
        codes = np.unique(np.minimum(rows, others) * n + np.maximum(rows, others))
        left, right = codes // n, codes % n
    pairs = [(ids[i], ids[j]) for i, j in zip(left.tolist(), right.tolist(), strict=True)]
    return pairs, boxes_of(index.items)


def _is_done(output: Path, work: "Job") -> bool:
    from hiertools.files import parts, verified
    from hiertools.terminal import say

    if not output.exists():
        return False
    parts.check_same(output, verified.read_part(output).meta, work.config())
    say(f"{output}: is complete already")
    return True


def _verify(
    run: "Run",
    work: "Job",
    features: "Features",
    workers: int,
    output: Path,
    resume: bool,
    overwrite: bool,
) -> None:
    from hiertools.reranking.verifying import Parts, verify_in_parts
    from hiertools.signals import stop_flag
    from hiertools.terminal import progress

    store = Parts(output, work)
    parts = store.begin(resume=resume, overwrite=overwrite)
    with stop_flag() as flag, progress("verifying", len(work.codes)) as tick:
        parts = verify_in_parts(
            work, features, workers=workers, store=store, parts=parts, flag=flag, tick=tick
        )
    _say(output, store.finish(output, parts, chain=run.chain(), overwrite=overwrite))


def _say(output: Path, pairs: "list[Pair]") -> None:
    from hiertools.terminal import say

    counts = [len(pair) for pair in pairs if len(pair)]
    text = f"{output}: {len(pairs):,} pairs, {len(counts):,} of them with inliers"
    say(text + (f", {sum(counts) / len(counts):,.1f} each on average" if counts else ""))
