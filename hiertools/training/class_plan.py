"""A training of `train classes`, from its options: the first state, the task, the model's file."""

from dataclasses import asdict, dataclass
from functools import partial

import torch

from hiertools.encoder import Encoder
from hiertools.errors import UsageError
from hiertools.files.model import Model
from hiertools.models.classes import ClassesModel
from hiertools.training import batch_norm
from hiertools.training.class_examples import ClassExamples
from hiertools.training.class_lesson import Lesson
from hiertools.training.class_material import ClassMaterial
from hiertools.training.classes import AVERAGES, ClassesTask, HeldOut
from hiertools.training.pace import pace
from hiertools.training.ranks import Ranks
from hiertools.training.state import State, adamw


@dataclass(frozen=True)
class Plan:
    """The options that decide the result, beside the inputs.

    hidden: activation of the hidden layer, None for no such layer; scale: of the logits where the
    classifier is fixed; augment, batch_norm: None for embeddings; warm_up: in epochs.
    """

    loss: str
    distance: str
    related_distance: float | None
    related_depth: int | None
    hidden: str | None
    dimension: int
    scale: float
    augment: str | None
    batch_norm: str | None
    epochs: int
    batch_size: int
    rate: float
    schedule: str
    warm_up: float
    weight_decay: float
    clip_norm: float
    seed: int


def shape(
    lesson: Lesson, encoder: Encoder | None, *, features: int, dimension: int | None,
    activation: str | None, usual: int,
) -> tuple[str | None, int]:  # fmt: skip
    """Return the activation of the hidden layer, None for no layer, and the dimension.

    usual: the dimension of a layer for which none is given. Raises `UsageError` for what does not
    go together.
    """
    if lesson.fixed is not None:
        fixed, name = lesson.fixed.shape[1], lesson.loss.member.name
        if dimension not in (None, fixed):
            raise UsageError(
                f"--dimension {dimension}: the loss {name} has class embeddings of {fixed}"
                " numbers; leave it out"
            )
        if activation not in (None, "linear"):
            raise UsageError(f"--activation {activation}: with the loss {name} it is linear")
        return "linear", fixed
    if encoder is not None and dimension is None:
        if activation is not None:
            raise UsageError("--activation is of a hidden layer: with --images give --dimension")
        return None, features
    return activation or "relu", dimension or usual


def examples(plan: Plan, material: ClassMaterial) -> ClassExamples:
    """Return the batches."""
    return ClassExamples(material.labels, plan.batch_size, plan.seed)


def start(
    plan: Plan, lesson: Lesson, material: ClassMaterial, device: torch.device
) -> State[ClassesModel]:
    """Return the state before the first step."""
    fixed = lesson.fixed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        model = ClassesModel(
            material.features, plan.dimension, len(material.tree.classes),
            activation=plan.hidden, scale=None if fixed is None else plan.scale,
        )  # fmt: skip
    if fixed is not None:
        model.fix_classes(torch.from_numpy(fixed))
    model.to(device)
    network = material.encoder.network.to(device) if material.encoder else None
    learned = [p for p in model.parameters() if p.requires_grad]
    learned += list(network.parameters()) if network is not None else []
    steps = examples(plan, material).steps
    state = State(
        model,
        network,
        [adamw(learned, rate=plan.rate, weight_decay=plan.weight_decay)],
        pace=partial(
            pace, total=steps * plan.epochs, warmup=round(plan.warm_up * steps),
            schedule=plan.schedule,
        ),
    )  # fmt: skip
    if lesson.momentum:
        state.kept[AVERAGES] = torch.zeros_like(model.classifier.weight)
    return state


def task(
    plan: Plan,
    lesson: Lesson,
    material: ClassMaterial,
    held_out: HeldOut | None,
    state: State[ClassesModel],
    device: torch.device,
    ranks: Ranks,
) -> ClassesTask:
    """Return what there is to learn. The state keeps the statistics of batch normalisation."""
    if state.encoder is not None and plan.batch_norm == "batch":
        for name, buffer in batch_norm.statistics(state.encoder).items():
            key = f"encoder/{name}"
            if key in state.kept:
                buffer.copy_(state.kept[key])
            state.kept[key] = buffer
    return ClassesTask(
        state.model, examples(plan, material), material.source, lesson.loss,
        lesson.told(state.model.classifier.weight.detach()), lesson.share, lesson.momentum,
        state.kept, held_out, device, ranks,
    )  # fmt: skip


def model_file(
    plan: Plan,
    lesson: Lesson,
    material: ClassMaterial,
    state: State[ClassesModel],
    config: str,
) -> Model:
    """Return what a training has learned, as a file keeps it."""
    model, tree = state.model, material.tree
    meta = {
        "task": "classes",
        "geometry": "euclidean",
        "c": 1.0,
        "features": material.features,
        "dimension": plan.dimension,
        **material.described(),
        "hidden": plan.hidden,
        "normalised": model.scale is not None,
        "scale": 1.0 if model.scale is None else model.scale,
        "loss": plan.loss,
        "taxonomy": tree.document(),
        "taxonomy_digest": tree.digest,
        "counts": material.counts,
        "related": lesson.describe(),
        "training": {
            "options": asdict(plan),
            "config": config,
            "items": len(material.table),
            "steps": state.step,
        },
    }
    weights = {} if state.encoder is None else state.encoder.state_dict()
    arrays = {name: tensor.cpu().numpy().copy() for name, tensor in weights.items()}
    return Model("classes", model.weights(), arrays, meta)
