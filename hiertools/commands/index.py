"""`hiertools index`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hiertools.commands import index_structure
from hiertools.commands.index_embeddings import OF_EMBEDDINGS, Kind, index_embeddings
from hiertools.commands.index_entities import index_entities
from hiertools.commands.index_structure import By, Method
from hiertools.commands.options import (
    Ef,
    Images,
    NoProvenance,
    Oversample,
    Overwrite,
    Probes,
    Seed,
)
from hiertools.errors import UsageError


def index(
    embeddings: Annotated[
        list[Path],
        typer.Argument(
            metavar="EMBEDDINGS…",
            help="Embeddings of one encoder, from hiertools embed; several files are shards. Or"
            " entities, from hiertools build-entities.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="What places them, from hiertools train."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="H5", help="Where the index goes.")
    ] = Path("index.h5"),
    method: Annotated[
        Method, typer.Option(help="How it is searched: exactly, or by a structure of FAISS.")
    ] = Method.exact,
    by: Annotated[
        By,
        typer.Option(
            help="What the structure is made for; cosine serves angles too, and soft ranking by"
            " classes."
        ),
    ] = By.cosine,
    lists: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Lists of ivf; 4 sqrt(n) if it is not given."),
    ] = None,
    links: Annotated[
        int, typer.Option(min=2, metavar="N", help="Links of each point in hnsw.")
    ] = 32,
    build_ef: Annotated[
        int, typer.Option(min=1, metavar="N", help="Candidates for the links of hnsw.")
    ] = 100,
    images: Images = None,
    only: Annotated[Kind | None, typer.Option(help="Take only whole images, or boxes.")] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="H5", help="Entities: embeddings of held-out images, to fit probabilities to."
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|H5", help="Entities: what the held-out images are of, for --calibrate."
        ),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add the items to the index that is there.")
    ] = False,
    report: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Compare with exact search, by N of the items as queries."
        ),
    ] = 0,
    json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON on standard output.")
    ] = False,
    oversample: Oversample = 4,
    probes: Probes = 16,
    ef: Ef = 64,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Place embeddings by a model, ready for `hiertools query`.

    Without a model the embeddings themselves are searched, by cosine. The model's head travels in
    the index, so that queries are embeddings too; with a model of classes their hierarchy travels
    along. Of entities the points of a whole hierarchy are indexed; without a model these are mean
    embeddings.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.provenance import Run

    of_entities = _are_entities(embeddings)
    _check_apply(options, of_entities)
    index_structure.check(options)
    inputs.check_stdin_once([*embeddings, model, images, truth])
    atomic.check_writable(output, overwrite=overwrite or append)
    run = Run("index", options, keep=not no_provenance)
    (index_entities if of_entities else index_embeddings)(run, options)


def _are_entities(paths: list[Path]) -> bool:
    """Return whether the input is a file of entities. Raises `UsageError` for two of them."""
    from hiertools.files import entities, hdf5

    kinds = []
    for path in paths:
        with hdf5.reading(path) as reader:
            kinds.append(reader.kind)
    if entities.KIND in kinds and len(paths) > 1:
        raise UsageError(f"{paths[kinds.index(entities.KIND)]} are entities: give no other input")
    return entities.KIND in kinds


_OF_ENTITIES: dict[str, Any] = {"calibrate": None, "truth": None}


def _check_apply(options: dict[str, Any], of_entities: bool) -> None:
    """Raise `UsageError` for an option that is for the other sort of input."""
    what = "entities" if of_entities else "embeddings"
    for name, absent in (OF_EMBEDDINGS if of_entities else _OF_ENTITIES).items():
        if options[name] != absent:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{options['embeddings'][0]}: is of {what}: {option} does not apply")
