"""`hiertools train classes`."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools import plugins
from hiertools.commands import class_inputs
from hiertools.commands.options import (
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

    from hiertools.files.model import Model
    from hiertools.files.provenance import Run
    from hiertools.models.classes import ClassesModel
    from hiertools.training.class_lesson import Lesson
    from hiertools.training.class_material import ClassMaterial
    from hiertools.training.class_plan import Plan
    from hiertools.training.ranks import Ranks
    from hiertools.training.state import State

USUAL_DIMENSION = 512
USUAL_RELATED = 4.0  # by path: cousins at the farthest
LONGEST_WARM_UP = 5.0  # epochs
MOST_DEVIATION = 1e-3  # of a similarity, without a word


class Distance(StrEnum):
    """How far apart two classes are."""

    path = "path"
    height = "height"


class Activation(StrEnum):
    """What follows the hidden layer."""

    relu = "relu"
    gelu = "gelu"
    tanh = "tanh"
    linear = "linear"


class Schedule(StrEnum):
    """How the learning rate goes on after the warm-up."""

    cosine = "cosine"
    linear = "linear"
    constant = "constant"


class Augment(StrEnum):
    """How pictures are changed at random."""

    none = "none"
    flip = "flip"
    crop = "crop"
    colour = "colour"


class BatchNorm(StrEnum):
    """Where batch normalisation has its statistics from while an encoder learns."""

    batch = "batch"
    frozen = "frozen"


# what is taken if an option is not given: on embeddings, and on images
USUAL: dict[str, tuple[Any, Any]] = {
    "epochs": (90, 30),
    "batch_size": (256, 64),
    "augment": (None, Augment.crop),
    "batch_norm": (None, BatchNorm.batch),
}


def train_classes(
    hierarchy: Annotated[
        Path,
        typer.Argument(
            metavar="HIERARCHY",
            help="The classes, which are its leaves, from `hiertools build-taxonomy`.",
            show_default=False,
        ),
    ],
    embeddings: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="Train a head on these vectors of labelled items; give it again for each shard.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Train head and encoder on the images below this folder, which has a folder for"
            " each class.",
        ),
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
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="Labels of the items, by id, in the place of those they have."
        ),
    ] = None,
    subset: Annotated[
        Path | None,
        typer.Option(metavar="LIST|-", help="Take only the items whose ids are the lines of LIST."),
    ] = None,
    validation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="With --embeddings: vectors of items to classify after each epoch, and not to"
            " learn from; give it again for each shard.",
        ),
    ] = None,
    allow_absent: Annotated[
        bool, typer.Option("--allow-absent", help="Let classes have no items.")
    ] = False,
    loss: Annotated[
        str,
        typer.Option(
            metavar="SPEC", help=f"The loss, one of {plugins.listing(plugins.CLASS_LOSSES)}."
        ),
    ] = "pairwise",
    distance: Annotated[
        Distance | None,
        typer.Option(
            help="How far apart classes are: by the way over a common ancestor, or by the height"
            " of that. [default: what HIERARCHY says]",
            show_default=False,
        ),
    ] = None,
    related_distance: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="Classes are related that are at most so far apart. [default: 4, if the distance"
            " is path]",
            show_default=False,
        ),
    ] = None,
    related_depth: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Instead: classes are related that share a node so deep or deeper; a root has the"
            " depth 0.",
        ),
    ] = None,
    dimension: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Units of the hidden layer, whose output is the embedding. [default: 512, with"
            " --images no such layer]",
            show_default=False,
        ),
    ] = None,
    activation: Annotated[
        Activation | None,
        typer.Option(
            help="What follows the hidden layer. [default: relu, or linear where the loss fixes"
            " the classes]",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        float,
        typer.Option(
            metavar="S", help="Where the loss fixes the classes: logits are S times the cosines."
        ),
    ] = 16.0,
    augment: Annotated[
        Augment | None,
        typer.Option(
            help="With --images: change pictures at random, each word doing more than the one"
            " before. [default: crop]",
            show_default=False,
        ),
    ] = None,
    batch_norm: Annotated[
        BatchNorm | None,
        typer.Option(
            help="With --images: let batch normalisation take its statistics from each batch, or"
            " keep those that it has. [default: batch]",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often all items are seen. [default: 90, with --images 30]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Items that are worked on together. [default: 256, with --images 64]",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[float, typer.Option(metavar="RATE", help="Learning rate of AdamW.")] = 1e-3,
    schedule: Annotated[
        Schedule, typer.Option(help="How the rate goes on after the warm-up: down to 0, or not.")
    ] = Schedule.cosine,
    warm_up: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="EPOCHS",
            help="Epochs over which the rate rises from 0. [default: a tenth of --epochs, at most"
            " 5]",
            show_default=False,
        ),
    ] = None,
    weight_decay: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="DECAY",
            help="Decay of matrices; no other weight decays. With 0 this is Adam.",
        ),
    ] = 0.0,
    clip_norm: Annotated[
        float,
        typer.Option(
            min=0, metavar="NORM", help="Shorten a longer gradient to this norm; 0 is never."
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
    """Learn to tell classes apart, and how near they are, from a hierarchy of them.

    Trains a head on embeddings, or head and encoder on images. A first signal stops the work in
    order; --resume continues it, also after a crash, and gives the same weights as a run that was
    never stopped. Runs under torchrun.
    """
    options = dict(locals())
    from hiertools.embedding import choose_device
    from hiertools.files import atomic, inputs
    from hiertools.files.provenance import Run
    from hiertools.terminal import set_level
    from hiertools.training import ranks

    _check(options)
    _fill(options)
    inputs.check_stdin_once([hierarchy, table, subset])
    log = log or Path(f"{output}.log.jsonl")
    if output == atomic.STDOUT:
        raise UsageError("HDF5 cannot go through a pipe; name a file with -o")
    if not dry_run:
        atomic.check_writable(output, overwrite=overwrite or resume)
        check_log(log)
    files = Files(output, log, log_every, checkpoint_every, resume, overwrite)
    run = Run("train classes", options, keep=not no_provenance)
    chosen = ranks.own_device(choose_device(device))
    with ranks.together(chosen) as together:
        if not together.is_first:
            set_level(0)
        _train(run, options, files, chosen, together)


_OF_IMAGES = {"encoder": None, "augment": None, "batch_norm": None, "workers": 2, "max_bad": 0}


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for values out of range, and for options that do not go together."""
    on_images = given["images"] is not None
    if bool(given["embeddings"]) == on_images:
        raise UsageError("give one of --embeddings H5 and --images DIR")
    if on_images and given["encoder"] is None:
        raise UsageError("--images needs the encoder to train: --encoder SPEC")
    if on_images and given["validation"]:
        raise UsageError("--validation is for --embeddings; an encoder that learns has none yet")
    for name, absent in {} if on_images else _OF_IMAGES.items():
        if given[name] != absent:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} is for --images; embeddings are taken as they are")
    if given["related_distance"] is not None and given["related_depth"] is not None:
        raise UsageError("give one of --related-distance and --related-depth")
    if not 0 <= (given["related_distance"] or 0) < math.inf:
        raise UsageError(f"--related-distance {given['related_distance']}: is not 0 or more")
    for name in ("rate", "scale"):
        if not 0 < given[name] < math.inf:
            raise UsageError(f"--{name} {given[name]}: is not above 0")
    plugins.parse(plugins.CLASS_LOSSES, given["loss"])


def _fill(given: dict[str, Any]) -> None:
    """Put what is usual in the place of options that were not given."""
    on_images = given["images"] is not None
    for name, usual in USUAL.items():
        if given[name] is None:
            given[name] = usual[on_images]
    if given["warm_up"] is None:
        given["warm_up"] = min(LONGEST_WARM_UP, given["epochs"] / 10)
    if given["warm_up"] > given["epochs"]:
        raise UsageError(f"--warm-up {given['warm_up']}: is longer than the epochs")


@dataclass(frozen=True)
class _Job:
    """A training that is ready: how, what the loss is told, and on what."""

    plan: "Plan"
    lesson: "Lesson"
    inputs: class_inputs.Inputs


def _train(
    run: "Run", options: dict[str, Any], files: Files, device: "TorchDevice", ranks: "Ranks"
) -> None:
    from hiertools.terminal import say
    from hiertools.training import class_plan

    job = _job(run, options)
    plan, lesson, material = job.plan, job.lesson, job.inputs.material
    examples = class_plan.examples(plan, material)
    say(
        f"{len(examples):,} items an epoch, of {len(material.tree.classes):,} classes:"
        f" {examples.steps * plan.epochs:,} steps"
    )
    _say_related(lesson)
    _warn_of_deviation(lesson)
    if options["dry_run"]:
        return
    from dataclasses import asdict

    import torch

    from hiertools.training import store

    torch.set_float32_matmul_precision("highest")  # an environment may have allowed TF32
    config = store.digest({**asdict(plan), **job.inputs.digests})
    training = Training(
        config, plan.epochs, plan.clip_norm, len(examples), examples.seen,
        start=lambda: class_plan.start(plan, lesson, material, device),
        task=lambda state: class_plan.task(
            plan, lesson, material, job.inputs.held_out, state, device, ranks
        ),
        model=lambda state: _model(job, state, config, ranks),
    )  # fmt: skip
    if not complete(run, files, training, ranks):
        return
    say(f"{files.output}: {material.features:,} to {plan.dimension:,} numbers{_learned(files.log)}")
    bad = ranks.union(material.source.bad)
    rejects = Path(f"{files.output}.rejects.jsonl")
    if ranks.is_first and (bad or rejects.exists()):  # an older list is not of this run
        _reject(run, rejects, bad)
    if len(bad) > options["max_bad"]:
        raise ranks.once(SkippedError(f"{len(bad):,} items could not be used; see {rejects}"))


def _model(job: _Job, state: "State[ClassesModel]", config: str, ranks: "Ranks") -> "Model":
    """Return what a training has learned. Raises `UserError` if there was no picture to learn of.

    Of several ranks each knows of its own pictures alone.
    """
    from hiertools.training import class_plan

    material = job.inputs.material
    bad = material.source.bad
    if ranks.size == 1 and len(bad) == len(material.table):
        first, reason = min(bad.items())
        raise UserError(
            f"none of the {len(bad):,} pictures could be used, such as {first!r}: {reason}"
        )
    return class_plan.model_file(job.plan, job.lesson, material, state, config)


def _learned(log: Path) -> str:
    """Return how a training ended, by the last lines of its log."""
    from hiertools.files.log import read_log

    lines = read_log(log)[1]
    held_out = [line["held_out"] for line in lines if "held_out" in line]
    said = f"; loss {lines[-1]['loss']:.4g}" if lines else ""
    return said + (f", accuracy of held-out items {held_out[-1]:.4f}" if held_out else "")


def _job(run: "Run", options: dict[str, Any]) -> _Job:
    from hiertools.training.class_lesson import Lesson

    tree = class_inputs.taxonomy(run, options)
    if options["embeddings"]:
        inputs = class_inputs.of_embeddings(run, tree, options)
    else:
        manner = options["augment"].value, options["batch_norm"] == BatchNorm.batch
        inputs = class_inputs.of_images(run, tree, options, *manner)
    choice = plugins.parse(plugins.CLASS_LOSSES, options["loss"])
    at, depth = options["related_distance"], options["related_depth"]
    if at is None and depth is None and tree.distance == Distance.path:
        at = USUAL_RELATED
    lesson = Lesson(choice, tree, at, depth)
    if lesson.asks_for_related and at is None and depth is None:
        raise UsageError(
            f"the loss {options['loss']} draws related classes together, and heights have no usual"
            " --related-distance: give one in [0, 1], or --related-depth"
        )
    plan = _plan(options, lesson, inputs.material)
    return _Job(plan, lesson, inputs)


def _plan(given: dict[str, Any], lesson: "Lesson", material: "ClassMaterial") -> "Plan":
    """Return the options that decide the result, as they are for these inputs."""
    from hiertools.training import class_plan

    hidden, dimension = class_plan.shape(
        lesson, material.encoder, features=material.features, dimension=given["dimension"],
        activation=given["activation"] and given["activation"].value, usual=USUAL_DIMENSION,
    )  # fmt: skip
    return class_plan.Plan(
        loss=given["loss"], distance=lesson.tree.distance,
        related_distance=lesson.related_distance, related_depth=lesson.related_depth,
        hidden=hidden, dimension=dimension, scale=given["scale"],
        augment=given["augment"] and given["augment"].value,
        batch_norm=given["batch_norm"] and given["batch_norm"].value, epochs=given["epochs"],
        batch_size=given["batch_size"], rate=given["rate"], schedule=given["schedule"].value,
        warm_up=given["warm_up"], weight_decay=given["weight_decay"],
        clip_norm=given["clip_norm"], seed=given["seed"],
    )  # fmt: skip


def _say_related(lesson: "Lesson") -> None:
    """Say how many classes are related, and warn where the loss can make nothing of it."""
    from hiertools.terminal import say, warn

    about = lesson.describe()
    if about["rule"] is None or not lesson.asks_for_related:
        return
    rule = "with a node above both at depth" if about["rule"] == "depth" else "apart by at most"
    alone = int((~lesson.related.any(axis=1)).sum())
    say(
        f"{about['share']:.2%} of the pairs of classes are related, {rule} {about['at']:g};"
        f" {alone:,} classes are related to none"
    )
    if about["share"] in (0, 1):
        what = "no two classes" if about["share"] == 0 else "all classes"
        warn(f"{what} are related: give another --related-distance or --related-depth")


def _warn_of_deviation(lesson: "Lesson") -> None:
    from hiertools.terminal import warn

    if lesson.deviation > MOST_DEVIATION:
        warn(
            "no vectors have the similarities of this hierarchy as inner products; those of the"
            f" class embeddings are off by up to {lesson.deviation:.2g}"
        )


def _reject(run: "Run", path: Path, bad: dict[str, str]) -> None:
    """List the pictures that could not be used."""
    from hiertools.files.rejects import write_rejects

    rejects = [{"id": key, "path": "", "reason": reason} for key, reason in sorted(bad.items())]
    write_rejects(path, rejects, chain=run.chain(), overwrite=True)
