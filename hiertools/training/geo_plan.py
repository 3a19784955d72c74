"""A training of `train geo`, from its options: the first state, the task, and the model's file."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import torch

from hiertools.files.entities import digest_of
from hiertools.files.json import Document
from hiertools.files.model import Model
from hiertools.kernels.geo_contrast import Rule
from hiertools.models.geo import GeoModel, Shape
from hiertools.training import anchors
from hiertools.training.entity_tape import EntityTape
from hiertools.training.geo import GeoRule, GeoTask
from hiertools.training.geo_examples import GeoExamples
from hiertools.training.geo_material import GeoMaterial
from hiertools.training.pace import pace
from hiertools.training.ranks import Ranks
from hiertools.training.state import State, adamw

LEARNABLE = {"tau": "log_tau", "lambda": "weight", "sigma": "log_sigma"}


@dataclass(frozen=True)
class Plan:
    """The options that decide the result, beside the inputs.

    c: minus the curvature; inputs: of entities, of `INPUTS`; location: scales, r_min and r_max;
    learn: of `LEARNABLE`; beta: by level; sigma: in km; anchor_scale, alpha: where both start;
    schedule: of `pace.SCHEDULES`; warmup: in steps.
    """

    geometry: str
    c: float
    dimension: int
    hidden: int
    heads: int
    dropout: float
    anchor: str
    anchor_scale: float
    alpha: float
    inputs: list[str]
    without_means: list[str]
    location: Document
    attention: bool
    detach: bool
    cross_fit: bool
    entity_refresh: int
    squared: bool
    tau: float
    weight: float
    sigma: float
    kernel: str
    power: float
    geo_from: str
    learn: list[str]
    beta: list[float]
    epochs: int
    batch_size: int
    rate: float
    anchor_rate: float
    schedule: str
    warmup: int
    weight_decay: float
    clip_norm: float
    seed: int

    def entity_inputs(self) -> Document:
        """Return what a model says of the inputs of entities."""
        keys = ("inputs", "without_means", "location")
        return {key: value for key, value in asdict(self).items() if key in keys}


def examples(plan: Plan, material: GeoMaterial) -> GeoExamples:
    """Return the batches; of one fold each where prototypes are cross-fitted."""
    fold = material.fold if folds(plan, material) > 1 else None
    return GeoExamples(material.positive, fold, batch_size=plan.batch_size, seed=plan.seed)


def folds(plan: Plan, material: GeoMaterial) -> int:
    """Return in how many folds the prototypes are cross-fitted; 1 if they are not."""
    return material.inputs.folds if plan.cross_fit and "image" in plan.inputs else 1


def start(plan: Plan, material: GeoMaterial, device: torch.device) -> State[GeoModel]:
    """Return the state before the first step: AdamW, and Riemannian Adam for anchors."""
    shape = Shape(
        plan.geometry, plan.c, material.features, plan.dimension, plan.hidden,
        len(material.named), plan.heads, plan.attention, plan.anchor,
        len(material.inputs), material.inputs.width,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        model = GeoModel(shape, anchor_scale=plan.anchor_scale, alpha=plan.alpha)
    with torch.no_grad():
        model.log_tau.fill_(math.log(plan.tau))
        model.weight.fill_(plan.weight)
        model.log_sigma.fill_(math.log(plan.sigma))
    for word, name in LEARNABLE.items():
        model.get_parameter(name).requires_grad_(word in plan.learn)
    model.to(device)
    assert model.entity is not None
    kept = model.entity.anchors
    others = [p for p in model.parameters() if p is not kept and p.requires_grad]
    optimizer = adamw(others, rate=plan.rate, weight_decay=plan.weight_decay)
    if plan.anchor == "tangent":
        group = {"params": [kept], "lr": plan.anchor_rate, "weight_decay": 0.0}
        optimizer.add_param_group(group)
        return State(model, None, [optimizer], pace=_pace(plan, material))
    optimizers = [optimizer, anchors.optimizer(model, rate=plan.anchor_rate)]
    return State(model, None, optimizers, pace=_pace(plan, material))


def _pace(plan: Plan, material: GeoMaterial) -> Callable[[int], float]:
    total = examples(plan, material).steps * plan.epochs
    return partial(pace, total=total, warmup=plan.warmup, schedule=plan.schedule)


def task(
    plan: Plan, material: GeoMaterial, state: State[GeoModel], device: torch.device, ranks: Ranks
) -> GeoTask:
    """Return what there is to learn."""
    rule = Rule(plan.geometry, plan.c, plan.squared, plan.kernel, plan.power)
    return GeoTask(
        state.model,
        EntityTape(
            state.model, material.inputs, plan.dropout, plan.seed, plan.entity_refresh, state.kept
        ),
        examples(plan, material),
        material.vectors,
        [torch.from_numpy(mask).to(device) for mask in material.named],
        material.globe(device),
        GeoRule(rule, plan.geo_from, tuple(plan.beta), plan.detach, plan.dropout, plan.seed),
        device,
        ranks,
    )


def model_file(plan: Plan, material: GeoMaterial, state: State[GeoModel], config: str) -> Model:
    """Return what a training has learned, as a file keeps it."""
    model, entities = state.model, material.entities
    location = plan.location if "location" in plan.inputs else None
    meta = {
        "task": "geo",
        "geometry": plan.geometry,
        "c": plan.c,
        "features": material.features,
        "dimension": plan.dimension,
        "hidden": plan.hidden,
        "heads": plan.heads,
        "attention": plan.attention,
        "anchor": plan.anchor,
        "dropout": plan.dropout,
        **material.about,
        "levels": entities.levels,
        "entities": digest_of(entities),
        "folds": folds(plan, material),
        "inputs": plan.inputs,
        "without_means": plan.without_means,
        "location": location,
        "text": entities.meta.get("text") if "text" in plan.inputs else None,
        "loss": "gwh",
        "squared": plan.squared,
        "beta": plan.beta,
        "tau": model.tau.item(),
        "lambda": model.weight.item(),
        "sigma": model.sigma.item(),
        "kernel": plan.kernel,
        "power": plan.power,
        "geo_from": plan.geo_from,
        "training": {
            "options": asdict(plan),
            "config": config,
            "items": len(material.table),
            "steps": state.step,
        },
    }
    return Model("geo", model.weights(), {}, meta)
