"""`hiertools train geo`."""

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import (
    BatchSize,
    CheckpointEvery,
    Device,
    Images,
    Log,
    LogEvery,
    NoProvenance,
    Overwrite,
    Resume,
    Seed,
)
from hiertools.commands.training import Files, Training, check_log, complete
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from torch import device as TorchDevice

    from hiertools.files.entities import Entities
    from hiertools.files.provenance import Run
    from hiertools.training.geo_material import GeoMaterial
    from hiertools.training.geo_plan import Plan
    from hiertools.training.ranks import Ranks

INPUTS = ("image", "text", "location")
LEARNABLE = ("tau", "lambda", "sigma")


class Geometry(StrEnum):
    """Spaces to place entities and images in."""

    lorentz = "lorentz"
    euclidean = "euclidean"
    sphere = "sphere"


class Anchor(StrEnum):
    """What is kept of an entity's anchor."""

    manifold = "manifold"
    tangent = "tangent"


class Kernel(StrEnum):
    """How the weight of an entity falls with its distance on the globe."""

    laplace = "laplace"
    gauss = "gauss"
    inverse = "inverse"


class Schedule(StrEnum):
    """How learning rates go on after the warm-up."""

    constant = "constant"
    linear = "linear"
    cosine = "cosine"


class GeoFrom(StrEnum):
    """What distances on the globe are measured from."""

    image = "image"
    positive = "positive"


def train_geo(
    entities: Annotated[
        Path,
        typer.Argument(
            metavar="ENTITIES",
            help="Entities and their items, from `hiertools build-entities`.",
            show_default=False,
        ),
    ],
    embeddings: Annotated[
        list[Path],
        typer.Option(
            metavar="H5",
            help="Vectors of the items; give it again for each shard.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="H5", help="Where the model goes.")
    ] = Path("model.h5"),
    images: Images = None,
    geometry: Annotated[
        Geometry, typer.Option(help="Where to place them: hyperbolic space, flat, or a sphere.")
    ] = Geometry.lorentz,
    curvature: Annotated[
        float,
        typer.Option(
            metavar="C", help="Minus the curvature; of the sphere, the curvature. Above 0."
        ),
    ] = 1.25,
    dimension: Annotated[int, typer.Option(min=1, help="Numbers of a tangent vector.")] = 128,
    hidden: Annotated[int, typer.Option(min=1, help="Units of a hidden layer.")] = 512,
    heads: Annotated[int, typer.Option(min=1, help="Heads of attention.")] = 8,
    dropout: Annotated[
        float, typer.Option(metavar="RATE", help="Share of hidden units left out in training.")
    ] = 0.1,
    anchor: Annotated[
        Anchor,
        typer.Option(
            help="Keep anchors as points, learned by Riemannian Adam, or as tangent vectors, by"
            " AdamW."
        ),
    ] = Anchor.manifold,
    anchor_scale: Annotated[
        float,
        typer.Option(metavar="SD", help="Standard deviation that anchors are drawn with, from 0."),
    ] = 0.01,
    alpha: Annotated[
        float | None,
        typer.Option(
            metavar="ALPHA",
            help="Where both scales of tangent vectors start, in [1e-4, 100]. [default: 1 over the"
            " square root of --dimension]",
            show_default=False,
        ),
    ] = None,
    without: Annotated[
        str,
        typer.Option(
            metavar="INPUTS",
            help="Inputs of entities to leave out, of image, text, location, with commas between"
            " them.",
        ),
    ] = "",
    without_means: Annotated[
        str,
        typer.Option(
            metavar="LEVELS", help="Levels whose mean images to leave out, with commas between."
        ),
    ] = "",
    scales: Annotated[int, typer.Option(min=1, help="Scales of the features of coordinates.")] = 32,
    r_min: Annotated[
        float, typer.Option(metavar="RADIANS", help="The smallest scale, above 0.")
    ] = 1e-3,
    r_max: Annotated[float, typer.Option(metavar="RADIANS", help="The largest scale.")] = 1.0,
    no_attention: Annotated[
        bool,
        typer.Option("--no-attention", help="Let images not look at the entities of each level."),
    ] = False,
    detach_kv: Annotated[
        bool,
        typer.Option(
            "--detach-kv", help="Let entities learn nothing from being looked at by attention."
        ),
    ] = False,
    no_cross_fit: Annotated[
        bool,
        typer.Option(
            "--no-cross-fit",
            help="Take mean images over all folds, those that hold the image itself too.",
        ),
    ] = False,
    entity_refresh: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="STEPS",
            help="Run the network of entities once for so many steps. It then learns once for"
            " them, from the mean of their gradients; all else learns in each step.",
        ),
    ] = 1,
    unsquared: Annotated[
        bool, typer.Option("--unsquared", help="Contrast distances, not their squares.")
    ] = False,
    tau: Annotated[
        float, typer.Option(metavar="TAU", help="Temperature to start from, in [0.01, 1].")
    ] = 0.1,
    weight: Annotated[
        float,
        typer.Option(
            "--lambda",
            metavar="LAMBDA",
            help="Weight of the kernel: an entity k counts 1 + LAMBDA kernel(km to it). 0 is plain"
            " InfoNCE.",
        ),
    ] = 1.0,
    sigma: Annotated[
        float, typer.Option(metavar="KM", help="Scale of the kernel, in [1, 20000].")
    ] = 300.0,
    kernel: Annotated[
        Kernel, typer.Option(help="exp(-g/sigma), exp(-(g/sigma)^2), or (1 + g/sigma)^-power.")
    ] = Kernel.laplace,
    power: Annotated[
        float, typer.Option(metavar="P", help="Power of the inverse kernel, above 0.")
    ] = 1.0,
    geo_from: Annotated[
        GeoFrom, typer.Option(help="Measure km to entities from the image, or from its entity.")
    ] = GeoFrom.image,
    learn: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Which of tau, lambda, sigma to learn, with commas between them, or none. To learn"
            " lambda and sigma undoes the weighting.",
        ),
    ] = "tau",
    beta: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS",
            help="Weight of the loss of each level, from the top, with commas between them."
            " [default: 1 for each]",
            show_default=False,
        ),
    ] = "",
    epochs: Annotated[int, typer.Option(min=1, help="How often all items are seen.")] = 5,
    batch_size: BatchSize = 16,
    rate: Annotated[float, typer.Option(metavar="RATE", help="Learning rate of AdamW.")] = 2e-4,
    anchor_rate: Annotated[
        float, typer.Option(metavar="RATE", help="Learning rate of the anchors.")
    ] = 2e-4,
    schedule: Annotated[
        Schedule,
        typer.Option(help="How rates go on after the warm-up: as they are, or down to 0."),
    ] = Schedule.constant,
    warmup: Annotated[
        int, typer.Option(min=0, metavar="STEPS", help="Steps over which rates rise from 0.")
    ] = 0,
    weight_decay: Annotated[
        float,
        typer.Option(min=0, metavar="DECAY", help="Decay of matrices; no other weight decays."),
    ] = 0.01,
    clip_norm: Annotated[
        float,
        typer.Option(
            min=0, metavar="NORM", help="Shorten a longer gradient to this norm; 0 is never."
        ),
    ] = 1.0,
    seed: Seed = 0,
    device: Device = "auto",
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
    """Learn where entities and images lie, from the entities that images are at.

    Each image is contrasted with all entities of each level, those near on the globe first. A
    first signal stops the work in order; --resume continues it, also after a crash, and gives the
    same weights as a run that was never stopped. Runs under torchrun.
    """
    options = dict(locals())
    from hiertools.embedding import choose_device
    from hiertools.files import atomic, inputs
    from hiertools.files.provenance import Run
    from hiertools.terminal import set_level, warn
    from hiertools.training import ranks

    _check(options)
    inputs.check_stdin_once([entities, *embeddings, images])
    log = log or Path(f"{output}.log.jsonl")
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    if not dry_run:
        atomic.check_writable(output, overwrite=overwrite or resume)
        check_log(log)
    files = Files(output, log, log_every, checkpoint_every, resume, overwrite)
    run = Run("train geo", options, keep=not no_provenance)
    chosen = ranks.own_device(choose_device(device))
    with ranks.together(chosen) as together:
        if not together.is_first:
            set_level(0)
        if {"lambda", "sigma"} & set(_words(learn)):
            warn(
                "the loss never falls with lambda or sigma: to learn them undoes the weighting by"
                " distance on the globe"
            )
        _train(run, entities, embeddings, images, options, files, chosen, together)


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for values out of range, and for options that do not go together."""
    for option in ("curvature", "power", "rate", "anchor_rate", "r_min", "r_max"):
        if not 0 < given[option] < math.inf:
            raise UsageError(f"--{option.replace('_', '-')} {given[option]}: is not above 0")
    for option, low, high in (
        ("tau", 0.01, 1), ("sigma", 1, 20_000), ("weight", 0, 100), ("dropout", 0, 0.99),
        ("anchor_scale", 0, 1), ("alpha", 1e-4, 100),
    ):  # fmt: skip
        if given[option] is not None and not low <= given[option] <= high:
            name = {"weight": "lambda"}.get(option, option.replace("_", "-"))
            raise UsageError(f"--{name} {given[option]}: is not in [{low}, {high}]")
    if given["r_max"] < given["r_min"]:
        raise UsageError(f"--r-max {given['r_max']}: is below --r-min {given['r_min']}")
    if not given["no_attention"] and given["dimension"] % given["heads"]:
        raise UsageError(f"--dimension {given['dimension']}: is no multiple of --heads")
    if given["detach_kv"] and given["no_attention"]:
        raise UsageError("--detach-kv is for attention; leave out --no-attention")
    _known("--without", given["without"], INPUTS)
    _known("--learn", "" if given["learn"] == "none" else given["learn"], LEARNABLE)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _known(option: str, text: str, known: tuple[str, ...] | list[str]) -> list[str]:
    """Return the words of an option. Raises `UsageError` for one that is not known."""
    words = _words(text)
    for word in words:
        if word not in known:
            raise UsageError(f"{option} {word}: there are {', '.join(known)}")
    return list(dict.fromkeys(words))


def _train(
    run: "Run",
    path: Path,
    paths: list[Path],
    images: Path | None,
    options: dict[str, Any],
    files: Files,
    device: "TorchDevice",
    ranks: "Ranks",
) -> None:
    from hiertools.terminal import say
    from hiertools.training import geo_plan

    plan, material, digests = _material(run, path, paths, images, options)
    examples = geo_plan.examples(plan, material)
    counts = zip(material.entities.levels, material.named, strict=True)
    listed = ", ".join(f"{level} {int(mask.sum()):,}" for level, mask in counts)
    say(
        f"{len(examples):,} items an epoch: {examples.steps * plan.epochs:,} steps; entities:"
        f" {listed}; inputs of entities: {', '.join(plan.inputs)}"
    )
    _warn(plan, material)
    if options["dry_run"]:
        return
    from dataclasses import asdict

    import torch

    from hiertools.training import store

    torch.set_float32_matmul_precision("highest")  # an environment may have allowed TF32
    config = store.digest({**asdict(plan), **digests})
    training = Training(
        config, plan.epochs, plan.clip_norm, len(examples), examples.seen,
        start=lambda: geo_plan.start(plan, material, device),
        task=lambda state: geo_plan.task(plan, material, state, device, ranks),
        model=lambda state: geo_plan.model_file(plan, material, state, config),
    )  # fmt: skip
    if complete(run, files, training, ranks):
        say(f"{files.output}: {plan.geometry}, {material.features:,} to {plan.dimension:,} numbers")


def _warn(plan: "Plan", material: "GeoMaterial") -> None:
    """Say what people may not expect of these entities."""
    from hiertools.terminal import warn

    for level, mask in zip(material.entities.levels, material.named, strict=True):
        if mask.sum() == 1:
            warn(f"the level {level} has a single entity: there is nothing to tell it from")
    if plan.cross_fit and "image" in plan.inputs and material.inputs.folds == 1:
        warn("the entities have one fold: their mean images hold the images that they are met with")
    where = material.entities if plan.geo_from == "positive" else material.table
    if plan.weight and (where.latitude is None or material.entities.latitude is None):
        warn("there are no coordinates: all entities of a level count the same")


def _material(
    run: "Run", path: Path, paths: list[Path], images: Path | None, options: dict[str, Any]
) -> tuple["Plan", "GeoMaterial", dict[str, Any]]:
    """Return what there is to train on, and the digests of the inputs."""
    from hiertools.files import inputs
    from hiertools.files.embeddings import read_embeddings
    from hiertools.files.entities import read_entities, read_members
    from hiertools.training.embedded import Shelf
    from hiertools.training.geo_material import material

    entities, sha256 = read_entities(path), inputs.digest_file(path)
    run.add_input(path, sha256, entities.chain)
    found = [read_embeddings(each) for each in paths]
    digests = [inputs.digest_file(each) for each in paths]
    for each, digest, read in zip(paths, digests, found, strict=True):
        run.add_input(each, digest, read.chain)
    chosen = None if images is None else run.used(images, inputs.lines(images))
    plan = _plan(entities, path, options)
    made = material(
        entities, read_members(path), path, Shelf(paths, found), paths,
        wanted=plan.entity_inputs(), images=chosen,
    )  # fmt: skip
    return plan, made, {"entities": sha256, "embeddings": digests, "images": chosen}


def _plan(entities: "Entities", path: Path, given: dict[str, Any]) -> "Plan":
    """Return the options that decide the result, as they are for these entities."""
    from hiertools.training.geo_plan import Plan

    without = _words(given["without"])
    there = {
        "image": entities.image_sums is not None,
        "text": entities.text is not None,
        "location": entities.latitude is not None,
    }
    if not there["image"] and "image" not in without:
        raise UserError(
            f"{path}: was built without --embeddings; build it with them, or give --without image"
        )
    taken = [name for name in INPUTS if there[name] and name not in without]
    if not taken:
        raise UsageError(f"--without {given['without']}: leaves no input of {path}")
    levels = entities.levels
    removed = _known("--without-means", given["without_means"], levels)
    return Plan(
        geometry=given["geometry"].value, c=given["curvature"], dimension=given["dimension"],
        hidden=given["hidden"], heads=given["heads"], dropout=given["dropout"],
        anchor=given["anchor"].value, anchor_scale=given["anchor_scale"],
        alpha=given["alpha"] or given["dimension"] ** -0.5, inputs=taken, without_means=removed,
        location={key: given[key] for key in ("scales", "r_min", "r_max")},
        attention=not given["no_attention"], detach=given["detach_kv"],
        cross_fit=not given["no_cross_fit"], entity_refresh=given["entity_refresh"],
        squared=not given["unsquared"], tau=given["tau"], weight=given["weight"],
        sigma=given["sigma"], kernel=given["kernel"].value, power=given["power"],
        geo_from=given["geo_from"].value,
        learn=[] if given["learn"] == "none" else _words(given["learn"]),
        beta=_beta(given["beta"], levels), epochs=given["epochs"],
        batch_size=given["batch_size"], rate=given["rate"], anchor_rate=given["anchor_rate"],
        schedule=given["schedule"].value, warmup=given["warmup"],
        weight_decay=given["weight_decay"], clip_norm=given["clip_norm"], seed=given["seed"],
    )  # fmt: skip


def _beta(text: str, levels: list[str]) -> list[float]:
    words = _words(text) or ["1"] * len(levels)
    try:
        found = [float(word) for word in words]
    except ValueError:
        raise UsageError(f"--beta {text}: write numbers, such as 1,1,1,0.5") from None
    if len(found) != len(levels):
        raise UsageError(f"--beta {text}: there are {len(levels)} levels: {', '.join(levels)}")
    if not all(0 <= number < math.inf for number in found) or not any(found):
        raise UsageError(f"--beta {text}: is not 0 or more, with one above 0")
    return found
