"""What each loss of classes costs in a step of training, as a ratio to the step with cross-entropy.

    python tests/benchmarks/class_losses.py [--head | --images] [--dimension 512] [--rounds 15]
        [--losses "pairwise hxe"] [--classes 1000]

Prints one line of JSON. --head: a hidden layer and a classifier on 2048-d embeddings, batch 256;
--images: ResNet-50 with random weights, batch 32 of 224 px, its pooled features the embedding; both
with forward, backward and a step of Adam. Every round takes one step with each loss, in turn, so
that a busy machine slows all of them: `s` is the least of the rounds, and `ratio` the median over
the rounds of the step's time to that with cross-entropy in the same round. `loss_s` is the time of
the loss and its gradients with respect to what the model gives it, alone, and `share` that as a
share of the step with cross-entropy. What training does to keep moving averages is not in it.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program has it

import measured
import timm
import torch
from torch import Tensor, nn

from hiertools import plugins
from hiertools.losses import relations
from hiertools.losses.outputs import Outputs, Relations
from hiertools.plugins import Choice

LOSSES = [
    *(name for name in plugins.members(plugins.CLASS_LOSSES) if name != "cross_entropy"),
    *(f"pairwise:form={form}" for form in ("sample", "head")),
    *(f"pairwise:repelling={word}" for word in ("literal", "uniform")),
    "pairwise:average=0.9",
    *(f"graded:form={form}" for form in ("sample", "head")),
]
FEATURES = 2048
RELATED_AT_MOST = 4.0


class Head(nn.Module):
    """A hidden layer and a classifier: (embedding, logits)."""

    def __init__(self, dimension: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(FEATURES, dimension)
        self.classifier = nn.Linear(dimension, classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.relu(self.hidden(features))
        return z, self.classifier(z)


class Backbone(nn.Module):
    """ResNet-50: (pooled features, logits)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.encoder = timm.create_model("resnet50", pretrained=False, num_classes=0)
        self.classifier = nn.Linear(FEATURES, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(images)
        return z, self.classifier(z)


def tables(classes: int) -> Relations:
    """Return the relations of a tree of ten branches at each node, its leaves the classes."""
    ways = [["root", f"{c // 100}", f"{c // 10}-", f"{c}--"] for c in range(classes)]
    joins = relations.joins(ways)
    d = 2.0 * (3 - joins)
    related = relations.related_within(d, at_most=RELATED_AT_MOST)
    return relations.of(d, 1 / (1 + d), related, joins, like=torch.zeros(1))


def of(model: nn.Module, inputs: Tensor, labels: Tensor, known: Relations) -> Outputs:
    z, logits = model(inputs)
    rows = model.classifier.weight
    averages = torch.nn.functional.normalize(rows.detach().roll(1, 0))
    return Outputs(z, logits, labels, rows, known, averages)


def step(model: nn.Module, adam: torch.optim.Adam, loss: Choice, *given) -> float:
    """Return the seconds of a step."""
    start = time.perf_counter()
    adam.zero_grad()
    torch.autograd.backward(loss.call(of(model, *given)))
    adam.step()
    return time.perf_counter() - start


def alone(loss: Choice, outputs: Outputs) -> float:
    """Return the seconds of a loss and its gradients."""
    detached = [
        tensor.detach().requires_grad_()
        for tensor in (outputs.embeddings, outputs.logits, outputs.rows)
    ]
    given = Outputs(
        detached[0], detached[1], outputs.labels, detached[2], outputs.relations, outputs.averages
    )
    start = time.perf_counter()
    torch.autograd.backward(loss.call(given))
    return time.perf_counter() - start


def measure(
    make: Callable[[], nn.Module], inputs: Tensor, specs: list[str], classes: int, rounds: int
) -> dict[str, object]:
    torch.manual_seed(0)
    model = make().train()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    labels = torch.randint(0, classes, (len(inputs),))
    known = tables(classes)
    chosen = {spec: plugins.parse(plugins.CLASS_LOSSES, spec) for spec in specs}
    steps: dict[str, list[float]] = {spec: [] for spec in specs}
    losses: dict[str, list[float]] = {spec: [] for spec in specs}
    for _ in range(rounds + 1):
        for spec, loss in chosen.items():
            steps[spec].append(step(model, adam, loss, inputs, labels, known))
    outputs = of(model, inputs, labels, known)
    for _ in range(rounds + 1):
        for spec, loss in chosen.items():
            losses[spec].append(alone(loss, outputs))
    base = steps[specs[0]][1:]
    return {
        spec: {
            "s": round(min(steps[spec][1:]), 4),
            "ratio": round(
                statistics.median(
                    took / flat for took, flat in zip(steps[spec][1:], base, strict=True)
                ),
                3,
            ),
            "loss_s": round(min(losses[spec][1:]), 4),
            "share": round(min(losses[spec][1:]) / min(base), 3),
        }
        for spec in specs
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--head", action="store_true")
    which.add_argument("--images", action="store_true")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--losses", default=" ".join(LOSSES), help="separated by spaces")
    given = parser.parse_args()
    torch.set_num_threads(2)
    made = torch.Generator().manual_seed(1)
    specs = ["cross_entropy", *given.losses.split()]
    found: dict[str, object] = {}
    if not given.images:
        features = torch.randn(256, FEATURES, generator=made)
        found["head"] = measure(
            lambda: Head(given.dimension, given.classes), features, specs, given.classes,
            given.rounds,
        )  # fmt: skip
    if not given.head:
        images = torch.randn(32, 3, 224, 224, generator=made)
        rounds = min(given.rounds, 3)  # a step takes seconds
        found["images"] = measure(
            lambda: Backbone(given.classes), images, specs, given.classes, rounds
        )
    options = {key: getattr(given, key) for key in ("dimension", "rounds", "classes")}
    print(json.dumps({**measured.machine(), **options, **found}))


if __name__ == "__main__":
    main()
