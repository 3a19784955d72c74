"""`hiertools train parts`."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools import plugins
from hiertools.commands.options import (
    BatchSize,
    CheckpointEvery,
    Device,
    Log,
    LogEvery,
    NoProvenance,
    Overwrite,
    Resume,
    Seed,
    Workers,
)
from hiertools.commands.training import Files, Training, check_log, complete
from hiertools.errors import SkippedError, UsageError, UserError

if TYPE_CHECKING:
    from torch import device as TorchDevice

    from hiertools.files.json import Document
    from hiertools.files.model import Model
    from hiertools.files.pairs import Pairs
    from hiertools.files.provenance import Run
    from hiertools.models.parts import PartsModel
    from hiertools.training.inputs import Material
    from hiertools.training.pairs import Examples
    from hiertools.training.ranks import Ranks
    from hiertools.training.state import State

    Find = Callable[[], tuple[Material, Document]]


class Geometry(StrEnum):
    """Spaces to place items in."""

    lorentz = "lorentz"
    euclidean = "euclidean"


def train_parts(
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS",
            help="Pairs, from `hiertools mine-hierarchy --pairs`.",
            show_default=False,
        ),
    ],
    embeddings: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="Train a head on these vectors of the items; give it again for each shard.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Train head and encoder on the images below this folder."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help=f"With --images: the encoder, one of {plugins.listing(plugins.ENCODERS)}.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="H5", help="Where the model goes.")
    ] = Path("model.h5"),
    loss: Annotated[
        str,
        typer.Option(
            metavar="SPEC", help=f"The loss, one of {plugins.listing(plugins.PART_LOSSES)}."
        ),
    ] = "angular",
    geometry: Annotated[
        Geometry, typer.Option(help="Where to place the items: hyperbolic space, or flat.")
    ] = Geometry.lorentz,
    dimension: Annotated[int, typer.Option(min=1, help="Numbers of a point.")] = 128,
    cross_image: Annotated[
        int,
        typer.Option(
            min=0,
            help="Draw for each class of an image's boxes this many boxes from other images, anew"
            " in each epoch.",
        ),
    ] = 1,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often all pairs are seen. [default: 30, with --images 1]",
            show_default=False,
        ),
    ] = None,
    batch_size: BatchSize = 320,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            help="Learning rate of AdamW. [default: 1e-3, with --images 2e-5]",
            show_default=False,
        ),
    ] = None,
    weight_decay: Annotated[
        float,
        typer.Option(min=0, metavar="DECAY", help="Decay of matrices; no other weight decays."),
    ] = 0.01,
    clip_norm: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="NORM",
            help="Shorten a longer gradient to this norm, so that no batch throws the model far;"
            " 0 is never.",
        ),
    ] = 0.0,
    seed: Seed = 0,
    device: Device = "auto",
    workers: Workers = 2,
    max_bad: Annotated[
        int,
        typer.Option(min=0, help="With --images: exit with 4 if more pictures cannot be used."),
    ] = 0,
    log: Log = None,
    log_every: LogEvery = 50,
    checkpoint_every: CheckpointEvery = 60.0,
    resume: Resume = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much there is to train on, and stop.")
    ] = False,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Learn where items lie, from which item is part of which.

    Trains a linear head on embeddings, or head and encoder on images, so that a part lies straight
    outward of its whole. A first signal stops the work in order; --resume continues it, also after
    a crash, and gives the same weights as a run that was never stopped. Runs under torchrun.
    """
    options = dict(locals())
    from hiertools.embedding import choose_device
    from hiertools.files import atomic
    from hiertools.files.provenance import Run
    from hiertools.terminal import set_level
    from hiertools.training import ranks

    _check(options)
    log = log or Path(f"{output}.log.jsonl")
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    if not dry_run:
        atomic.check_writable(output, overwrite=overwrite or resume)
        check_log(log)
    plan = _Plan(
        loss, geometry.value, dimension, cross_image, epochs or (1 if images else 30), batch_size,
        rate or (2e-5 if images else 1e-3), weight_decay, clip_norm, seed,
    )  # fmt: skip
    files = Files(output, log, log_every, checkpoint_every, resume, overwrite)
    run = Run("train parts", options, keep=not no_provenance)
    chosen = ranks.own_device(choose_device(device))
    with ranks.together(chosen) as together:
        if not together.is_first:
            set_level(0)
        if images is not None:
            find = partial(_on_images, run, pairs, images, str(encoder), seed, workers)
        else:
            find = partial(_on_embeddings, run, pairs, embeddings or [])
        _train(run, find, plan, files, chosen, together, dry_run, max_bad)


@dataclass(frozen=True)
class _Plan:
    """The options that decide the result, beside the inputs."""

    loss: str
    geometry: str
    dimension: int
    cross_image: int
    epochs: int
    batch_size: int
    rate: float
    weight_decay: float
    clip_norm: float
    seed: int


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    if bool(given["embeddings"]) == (given["images"] is not None):
        raise UsageError("give one of --embeddings H5 and --images DIR")
    if given["images"] is not None and given["encoder"] is None:
        raise UsageError("--images needs the encoder to train: --encoder SPEC")
    if given["embeddings"]:
        for name, absent in (("encoder", None), ("workers", 2), ("max_bad", 0)):
            if given[name] != absent:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is for --images; embeddings are taken as they are")
    if given["rate"] is not None and not 0 < given["rate"] < math.inf:
        raise UsageError(f"--rate {given['rate']}: is not above 0")
    plugins.parse(plugins.PART_LOSSES, given["loss"])


def _pairs(run: "Run", path: Path) -> tuple["Pairs", str]:
    from hiertools.files import inputs
    from hiertools.files.pairs import read_pairs

    found, sha256 = read_pairs(path), inputs.digest_file(path)
    run.add_input(path, sha256, found.chain)
    if not len(found.parent):
        raise UserError(f"{path}: has no pairs")
    return found, sha256


def _on_embeddings(run: "Run", path: Path, paths: list[Path]) -> tuple["Material", "Document"]:
    """Return what there is to train on, and the digests of the inputs."""
    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.training import embedded

    pairs, sha256 = _pairs(run, path)
    found = [read_embeddings(each) for each in paths]
    digests = [inputs.digest_file(each) for each in paths]
    for each, digest, read in zip(paths, digests, found, strict=True):
        run.add_input(each, digest, read.chain)
    made = embedded.material(pairs, path, paths, found)
    _say_left_out(pairs, made.pairs, "vector")
    return made, {"pairs": sha256, "embeddings": digests}


def _on_images(
    run: "Run", path: Path, folder: Path, spec: str, seed: int, workers: int
) -> tuple["Material", "Document"]:
    """Return what there is to train on, and the digests of the inputs."""
    from hiertools.encoder import digest, load
    from hiertools.training import pictures

    pairs, sha256 = _pairs(run, path)
    kept, inventory = pictures.find(pairs, folder)
    run.add_input(folder, inventory.digest())
    _say_left_out(pairs, kept, "picture")
    encoder = load(spec, seed=seed)
    digests = {"pairs": sha256, "images": inventory.digest(), "encoder": digest(encoder)}
    made = pictures.material(kept, inventory, encoder, spec, seed=seed, workers=workers)
    return made, digests


def _say_left_out(pairs: "Pairs", kept: "Pairs", what: str) -> None:
    from hiertools.terminal import warn

    left_out = len(pairs.parent) - len(kept.parent)
    if left_out:
        warn(f"{left_out:,} of {len(pairs.parent):,} pairs have an item without a {what}")


def _train(
    run: "Run",
    find: "Find",
    plan: _Plan,
    files: Files,
    device: "TorchDevice",
    ranks: "Ranks",
    dry_run: bool,
    max_bad: int,
) -> None:
    from hiertools.terminal import say
    from hiertools.training import store
    from hiertools.training.pairs import Examples
    from hiertools.training.parts import PartsTask

    material, inputs = find()
    examples = Examples(
        material.pairs, cross_image=plan.cross_image, batch_size=plan.batch_size, seed=plan.seed
    )
    drawn = len(examples) - len(material.pairs.parent)
    say(
        f"{len(examples):,} pairs an epoch ({drawn:,} of them across images) of"
        f" {len(material.pairs.items):,} items: {examples.steps * plan.epochs:,} steps"
    )
    if dry_run:
        return
    config = store.digest({**asdict(plan), **inputs})
    loss = plugins.parse(plugins.PART_LOSSES, plan.loss)
    training = Training(
        config, plan.epochs, plan.clip_norm, len(examples), examples.seen,
        start=lambda: _state(material, plan, device),
        task=lambda state: PartsTask(
            state.model, examples, material.source, loss, device, ranks
        ),
        model=lambda state: _model(state, examples, material, plan, config),
    )  # fmt: skip
    if not complete(run, files, training, ranks):
        return
    say(f"{files.output}: {plan.geometry}, {material.features:,} to {plan.dimension:,} numbers")
    bad = ranks.union(material.source.bad)
    rejects = Path(f"{files.output}.rejects.jsonl")
    if ranks.is_first and (bad or rejects.exists()):  # an older list is not of this run
        _reject(run, rejects, bad)
    if len(bad) > max_bad:
        raise ranks.once(SkippedError(f"{len(bad):,} items could not be used; see {rejects}"))


def _state(material: "Material", plan: _Plan, device: "TorchDevice") -> "State[PartsModel]":
    """Return the weights before the first step."""
    import torch

    from hiertools.models.parts import PartsModel
    from hiertools.training import state

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        model = PartsModel(material.features, plan.dimension, geometry=plan.geometry)
    network = material.encoder.network.to(device) if material.encoder else None
    return state.start(model.to(device), network, rate=plan.rate, weight_decay=plan.weight_decay)


def _model(
    state: "State[PartsModel]", examples: "Examples", material: "Material", plan: _Plan, config: str
) -> "Model":
    from hiertools.files.model import Model

    model, encoder = state.model, material.encoder
    meta = {
        "task": "parts",
        "geometry": plan.geometry,
        "features": material.features,
        "dimension": plan.dimension,
        "c": model.c.item(),
        "alpha": model.alpha.item(),
        "tau": model.tau.item(),
        **material.described(),
        "loss": plan.loss,
        "training": {
            "options": asdict(plan),
            "config": config,
            "pairs": len(examples),
            "steps": state.step,
        },
    }
    weights = {} if encoder is None else encoder.network.state_dict()
    arrays = {name: tensor.cpu().numpy() for name, tensor in weights.items()}
    return Model("parts", model.weights(), arrays, meta)


def _reject(run: "Run", path: Path, bad: dict[str, str]) -> None:
    """List the pictures that could not be used."""
    from hiertools.files.rejects import write_rejects

    rejects = [{"id": key, "path": "", "reason": reason} for key, reason in sorted(bad.items())]
    write_rejects(path, rejects, chain=run.chain(), overwrite=True)
