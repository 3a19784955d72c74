"""The training of geo models: the same bits after a stop, chunks, windows, and that it learns."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from hiertools.errors import StoppedError, UserError
from hiertools.files.embeddings import Embeddings
from hiertools.files.json import line
from hiertools.geometry.names import GEOMETRIES
from hiertools.models import geo
from hiertools.signals import Flag
from hiertools.training import entity_tape, geo_material, geo_plan
from hiertools.training.embedded import Shelf
from hiertools.training.geo_plan import Plan
from hiertools.training.loop import Keeping, Settings, train
from hiertools.training.ranks import Ranks
from tests.training.geography import ENCODER, Geography, unit

ALONE, CPU = Ranks(0, 1), torch.device("cpu")
PLAN = Plan(
    geometry="lorentz", c=1.25, dimension=8, hidden=12, heads=2, dropout=0.2, anchor="manifold",
    anchor_scale=0.01, alpha=8**-0.5,
    inputs=["image", "location"], without_means=[],
    location={"scales": 4, "r_min": 1e-2, "r_max": 1.0}, attention=True, detach=False,
    cross_fit=True, entity_refresh=1, squared=True, tau=0.1, weight=1.0, sigma=300.0,
    kernel="laplace", power=1.0, geo_from="image", learn=["tau"], beta=[1.0, 1.0, 1.0], epochs=2,
    batch_size=16, rate=2e-3, anchor_rate=2e-3, schedule="constant", warmup=0, weight_decay=0.01,
    clip_norm=1.0, seed=0,
)  # fmt: skip


def material(world, plan, **more):
    embeddings = Embeddings(world.vectors, world.members.items, meta(world), [])
    paths = [Path("v.h5")]
    wanted, shelf = plan.entity_inputs(), Shelf(paths, [embeddings])
    given = {"wanted": wanted, "images": None, **more}
    return geo_material.material(world.entities, world.members, Path("e.h5"), shelf, paths, **given)


def meta(world):
    return {**ENCODER, "dimension": world.vectors.shape[1]}


class Job:
    """A small training, whose result depends on its options alone."""

    def __init__(self, world=None, **options):
        self.plan = replace(PLAN, **options)
        self.world = world or Geography(100, missing=0.25)
        self.material = material(self.world, self.plan)
        self.state = geo_plan.start(self.plan, self.material, CPU)
        self.task = geo_plan.task(self.plan, self.material, self.state, CPU, ALONE)
        self.settings = Settings(self.plan.epochs, self.plan.clip_norm, 1, 1e9)
        self.lines, self.kept = [], []

    def run(self, *, stop_after=None):
        flag = Flag()

        def tick(rows):
            if self.state.step == stop_after:
                flag.raised = "SIGTERM"

        def keep():
            self.kept.append((self.state.arrays(), self.state.meta()))

        train(
            self.state, self.task, self.settings, ALONE,
            Keeping(self.lines.append, keep, flag, tick),
        )  # fmt: skip
        return self.state.model.weights()

    @property
    def steps(self):
        return self.task.steps * self.plan.epochs

    def gradients(self, step=0):
        """Return the gradients of a step that is not taken."""
        batch = next(self.task.load(0, step))
        self.state.forget_gradients()
        torch.autograd.backward(self.task.outcome(batch, step).loss)
        self.task.settle(step, is_last=False)
        return {name: g.clone() for name, g in self.state.gradients().items()}


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"anchor": "tangent", "geometry": "sphere", "learn": ["tau", "lambda", "sigma"]},
        {"geometry": "sphere", "squared": False, "inputs": ["location"]},
        {"geometry": "euclidean", "attention": False, "cross_fit": False},
        {"entity_refresh": 3, "kernel": "inverse", "geo_from": "positive", "detach": True},
        {"schedule": "cosine", "warmup": 3, "anchor_scale": 0.1, "alpha": 0.5},
    ],
)
def test_stopped_at_any_step_and_continued_gives_the_same_bits(options):
    whole = Job(**options)
    before = whole.state.model.weights()
    expected = whole.run()
    changed = {name for name in before if (before[name] != expected[name]).any()}
    assert {"entity.anchors", "entity.first.weight", "image.first.weight", "log_tau"} <= changed
    assert len(whole.lines) == whole.steps >= 14
    for step in (1, 4, 6, 9, 12):
        first, second = Job(**options), Job(**options)
        with pytest.raises(StoppedError, match=rf"SIGTERM after {step + 1} of {whole.steps} steps"):
            first.run(stop_after=step)
        second.state.restore(*first.kept[-1], "checkpoint")
        same(second.run(), expected)
        losses = [each["loss"] for each in first.lines + second.lines]
        assert losses == [each["loss"] for each in whole.lines]


def test_the_start_is_the_one_that_was_asked_for():
    model = Job(anchor_scale=0.3, alpha=0.5, anchor="tangent").state.model
    assert model.image.alpha.item() == pytest.approx(0.5)
    assert model.entity.alpha.item() == pytest.approx(0.5)
    assert model.entity.anchors.std().item() == pytest.approx(0.3, rel=0.2)
    assert Job(anchor_scale=0.0).state.model.anchor_tangents().abs().max().item() == 0


def test_steps_are_as_long_as_the_schedule_says():
    """A step of Adam moves each weight by the rate, whatever the gradient, if it stays the same."""
    state = Job(warmup=4, rate=1e-3, schedule="linear").state
    bias, moved = state.model.image.delta.bias, []
    for _ in range(6):
        before = bias.detach().clone()
        for parameter in state.parameters.values():
            parameter.grad = torch.ones_like(parameter)
        state.take_step()
        moved.append((before - bias).max().item())
    total = Job().steps
    falling = [1 - step / (total - 4) for step in range(2)]
    assert moved == pytest.approx([1e-3 * x for x in (0.25, 0.5, 0.75, 1, *falling)], rel=1e-2)


def test_the_log_says_how_it_goes():
    job = Job()
    job.run()
    for each in job.lines:
        assert each["loss"] == pytest.approx(sum(each["level_loss"]), rel=1e-5)
        assert each["image_radii"] == sorted(each["image_radii"])
        assert each["entity_radii"] == sorted(each["entity_radii"])
        assert each["saturated"] == 0
        assert line(each)
    assert job.lines[-1]["tau"] != pytest.approx(0.1, abs=1e-4)
    assert job.lines[-1]["lambda"] == 1.0


def test_a_weight_by_level_is_a_weight_in_the_loss():
    plain, weighted = Job(), Job(beta=[0.0, 2.0, 1.0])
    batch = next(plain.task.load(0, 0))
    levels = plain.task.outcome(batch, 0).sums
    loss = weighted.task.outcome(batch, 0).loss
    torch.testing.assert_close(loss.detach(), 2 * levels[1] + levels[2])


@pytest.mark.parametrize("attention", [True, False])
def test_chunks_give_the_gradients_of_the_graph(monkeypatch, attention):
    expected = Job(attention=attention).gradients()
    monkeypatch.setattr(entity_tape, "UNITS_IN_GRAPH", 0)
    monkeypatch.setattr(geo, "ROWS_AT_ONCE", 7)
    found = Job(attention=attention).gradients()
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=lambda m, n=name: f"{n}: {m}")


def test_gradients_go_through_the_updates_as_through_one_graph():
    """The tape cuts the graph at the updates; here it is whole."""
    job = Job()
    found = job.gradients()
    batch = next(job.task.load(0, 0))
    job.state.forget_gradients()
    whole = torch.cat([job.task.tape._chunk(0, 0, batch.fold)])
    job.task.tape._leaves[batch.fold] = whole
    torch.autograd.backward(job.task.outcome(batch, 0).loss)
    for name, gradient in job.state.gradients().items():
        torch.testing.assert_close(found[name], gradient, msg=lambda m, n=name: f"{n}: {m}")


def test_a_window_gives_the_mean_of_its_gradients():
    """With weights that stay as they are, three steps of a window are three steps of one each."""
    job, window = Job(dropout=0.0), Job(dropout=0.0, entity_refresh=3)
    total = {}
    for step in range(3):
        for name, gradient in job.gradients(step).items():
            total[name] = total.get(name, 0) + gradient
    network = [name for name in total if name.startswith("entity.") and ".weight" in name]
    for step in range(3):
        found = window.gradients(step)
        assert (network[0] in found) == (step == 2)
        assert "entity.anchors" in found
    for name in network:
        torch.testing.assert_close(3 * found[name], total[name], msg=lambda m, n=name: f"{n}: {m}")


def test_in_a_window_the_network_rests_and_all_else_learns():
    job = Job(entity_refresh=3, epochs=1)
    weights = [job.state.model.weights()]
    take_step = job.state.take_step

    def seen():
        take_step()
        weights.append(job.state.model.weights())

    job.state.take_step = seen
    job.run()
    moved = {
        name: [bool((a[name] != b[name]).any()) for a, b in pairwise(weights)]
        for name in ("entity.first.weight", "entity.anchors", "image.first.weight")
    }
    assert moved["entity.first.weight"] == 2 * [False, False, True] + [False, True]
    assert all(moved["entity.anchors"])
    assert all(moved["image.first.weight"])


def test_detached_keys_teach_entities_nothing():
    """Without a loss at any level but attention, anchors learn through keys and values alone."""
    for detach in (False, True):
        job = Job(detach=detach)
        points = job.task._losses

        def at_images_alone(batch, rows, images, entities, points=points):
            return points(batch, rows, images, [each.detach() for each in entities])

        object.__setattr__(job.task, "_losses", at_images_alone)
        found = job.gradients()
        assert ("entity.anchors" in found) == (not detach)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_anchors_stay_on_their_manifold(geometry):
    job = Job(geometry=geometry, anchor_rate=0.3)
    job.run()
    anchors = job.state.model.entity.anchors.detach().as_subclass(torch.Tensor).double()
    if geometry == "lorentz":
        inner = -(anchors[:, 0] ** 2) + (anchors[:, 1:] ** 2).sum(1)
        np.testing.assert_allclose(inner, -1 / 1.25, rtol=1e-4)
        moved = job.state.model.anchor_tangents().norm(dim=1)
        assert moved.max() > 0.1
    if geometry == "sphere":
        np.testing.assert_allclose(anchors.norm(dim=1), 1, rtol=1e-5)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_step_of_riemannian_adam_is_as_long_as_its_rate(geometry):
    """At first Adam's direction has the length 1, whatever the geometry and its curvature."""
    for c in (0.5, 4.0):
        job = Job(geometry=geometry, c=c, anchor_rate=1e-3, clip_norm=0.0)
        before = job.state.model.anchor_tangents().detach().clone()
        job.gradients()
        job.state.optimizers[1].step()
        moved = (job.state.model.anchor_tangents().detach() - before).norm(dim=1)
        named = torch.cat(job.task.named)
        np.testing.assert_allclose(moved[named], 1e-3, rtol=0.03)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inputs", "the first bad tensor: inputs"),
        ("entity.second.bias", "the first bad tensor: parameter entity.second.bias"),
        ("gradient", "the first bad tensor: gradient of image.delta.weight"),
    ],
)
def test_what_is_not_finite_stops_the_training_and_is_named(name, message):
    job = Job()
    if name == "inputs":
        job.world.vectors[:] = np.inf
    elif name == "gradient":
        job.state.model.image.delta.weight.register_hook(lambda gradient: gradient * torch.inf)
    else:
        with torch.no_grad():
            job.state.model.get_parameter(name)[1] = torch.nan
    with pytest.raises(UserError, match=message):
        job.run()
    assert job.kept == []


def accuracy(world, held_out, points, images, geometry, c):
    """Return the share of items whose nearest named entity is their own, by level."""
    found = []
    for level, of_level in enumerate(points):
        rows = world.entities.rows_of(level)
        named = ~world.entities.implicit[rows]
        distance = GEOMETRIES[geometry].pairwise_distance(images, of_level, c)
        nearest = distance.masked_fill(~torch.from_numpy(named), torch.inf).argmin(1).numpy()
        own = held_out.members.entity[:, level] - rows.start
        found.append(float((nearest == own)[named[own]].mean()))
    return np.array(found)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_what_images_show_of_places_is_found(geometry):
    """Held-out images are placed better than by the nearest mean image, at each level."""
    known, held_out = (
        Geography(1000, features=32, branching=(5, 4, 3), nuisance=0.3, missing=0.1, seed=seed)
        for seed in (1, 2)
    )
    job = Job(
        known, geometry=geometry, dimension=16, hidden=32, batch_size=64, epochs=8, rate=4e-3,
        anchor="tangent", anchor_rate=4e-3, dropout=0.1,
    )  # fmt: skip
    job.run()
    model, images = job.state.model, torch.from_numpy(held_out.vectors)
    with torch.no_grad():
        tangents = model.entity_tangents(job.material.inputs)
        placed = model.images(images, model.shared(tangents, job.task.named))
        points = [model.points(each) for each in tangents]
        found = accuracy(known, held_out, points, placed, geometry, model.c)
    means = [torch.from_numpy(known.entities.prototypes(i, without=None)) for i in range(3)]
    unit_images = torch.from_numpy(unit(held_out.vectors))
    zero_shot = accuracy(known, held_out, means, unit_images, "euclidean", 1.0)
    assert (found > zero_shot + 0.15).all(), (found, zero_shot)
    assert found[0] > 0.75


def test_cross_fitted_batches_do_not_see_their_own_images():
    """A change of the images of a fold changes no entity that the fold's batches see."""
    job = Job(dropout=0.0)
    other = Job(dropout=0.0)
    n = len(other.world.entities)
    other.world.entities.image_sums[:n] += 1  # of fold 0
    for fold, equal in ((0, True), (1, False)):
        one = job.task.tape.updates(0, fold)
        assert torch.equal(one, other.task.tape.updates(0, fold)) == equal


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"v.h5: has no vector for 3 of 100 items of e.h5, such as 'i0-0'"),
        ("encoder", "v.h5: has another digest than the embeddings that e.h5 was built with"),
        ("nameless", "e.h5: no entity of the level region has a name"),
        ("listed", "e.h5: has no 1 listed items, such as 'x'"),
    ],
)
def test_material_that_does_not_fit_is_refused(change, message):
    world = Geography(100)
    more = {}
    about, rows = meta(world), np.arange(100)
    if change == "missing":
        rows = rows[3:]
    elif change == "encoder":
        about["digest"] = "1" * 64
    elif change == "nameless":
        world.entities.implicit[world.entities.rows_of(1)] = True
    else:
        more = {"images": ["i0-3", "x"]}
    embeddings = Embeddings(world.vectors[rows], world.members.items.take(rows), about, [])
    paths = [Path("v.h5")]
    given = {"wanted": PLAN.entity_inputs(), "images": None, **more}
    with pytest.raises(UserError, match=message):
        geo_material.material(
            world.entities, world.members, Path("e.h5"), Shelf(paths, [embeddings]), paths, **given
        )


def test_listed_items_alone_are_learned_from():
    world = Geography(100)
    found = material(world, PLAN, images=["i0-7", "i0-2"])
    assert [bytes(each) for each in found.table.id] == [b"i0-2", b"i0-7"]
    np.testing.assert_array_equal(found.vectors.take(np.arange(2)), world.vectors[[2, 7]])
