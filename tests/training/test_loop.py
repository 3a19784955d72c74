"""The loop: what a step changes, stopping and going on, faults, and that it learns."""

import numpy as np
import pytest
import torch

from hiertools import plugins
from hiertools.errors import StoppedError, UserError
from hiertools.geometry import lorentz
from hiertools.models.parts import PartsModel
from hiertools.signals import Flag
from hiertools.training import state
from hiertools.training.embedded import Embedded
from hiertools.training.loop import Keeping, Settings, train
from hiertools.training.pairs import Examples
from hiertools.training.parts import PartsTask
from hiertools.training.ranks import Ranks
from hiertools.training.store import Store
from tests.training.items import scenes

ALONE = Ranks(0, 1)


class Job:
    """A small training, whose result depends on its options alone."""

    def __init__(
        self, *, geometry="lorentz", loss="angular", epochs=2, rate=1e-2, decay=0.5, clip=0.0
    ):
        self.examples = Examples(scenes(), cross_image=1, batch_size=16, seed=0)
        rows = np.arange(len(self.examples.items))
        vectors = np.random.default_rng(0).normal(size=(len(rows), 6)).astype(np.float32)
        self.source = Embedded([vectors], np.zeros_like(rows), rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = PartsModel(6, 4, geometry=geometry)
        self.state = state.start(model, None, rate=rate, weight_decay=decay)
        self.loss = plugins.parse(plugins.PART_LOSSES, loss)
        self.settings = Settings(epochs, clip, 3, 1e9)
        self.lines, self.kept = [], []

    def run(self, *, stop_after=None):
        flag = Flag()

        def tick(pairs):
            if self.state.step == stop_after:
                flag.raised = "SIGTERM"

        def keep():
            self.kept.append((self.state.arrays(), self.state.meta()))

        keeping = Keeping(self.lines.append, keep, flag, tick)
        cpu = torch.device("cpu")
        task = PartsTask(self.state.model, self.examples, self.source, self.loss, cpu, ALONE)
        train(self.state, task, self.settings, ALONE, keeping)
        return self.state.model.weights()

    @property
    def steps(self):
        return self.examples.steps * self.settings.epochs


def same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.parametrize("loss", plugins.members(plugins.PART_LOSSES))
@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
def test_stopped_at_any_step_and_continued_gives_the_same_bits(geometry, loss):
    options = {"geometry": geometry, "loss": loss, "clip": 1.0}
    whole = Job(**options)
    expected = whole.run()
    for step in range(1, whole.steps - 1, 2):
        first, second = Job(**options), Job(**options)
        with pytest.raises(StoppedError, match=rf"SIGTERM after {step + 1} of {whole.steps} steps"):
            first.run(stop_after=step)  # the flag is read at the end of the next step
        arrays, meta = first.kept[-1]
        second.state.restore(arrays, meta, "checkpoint")
        same(second.run(), expected)
        before = [line for line in first.lines if line["step"] <= meta["step"]]
        losses = [(line["step"], line["loss"]) for line in before + second.lines]
        assert losses == [(line["step"], line["loss"]) for line in whole.lines]


def test_a_signal_in_the_last_step_is_no_reason_to_stop():
    job = Job()
    job.run(stop_after=job.steps - 1)
    assert job.state.step == job.steps
    assert job.kept == []


def test_the_log_has_a_line_every_few_steps_and_at_the_end_of_each_epoch():
    job = Job()
    job.run()
    n = job.examples.steps
    expected = sorted({*range(3, 2 * n + 1, 3), n, 2 * n})
    assert [line["step"] for line in job.lines] == expected
    for line in job.lines:
        assert line["epoch"] == (line["step"] - 1) // n
        assert line["sqrt_c_norm"] == sorted(line["sqrt_c_norm"])
        assert line["saturated"] == 0
        assert {"loss", "tau", "c", "alpha", "rows_per_second"} <= line.keys()
    flat = Job(geometry="euclidean")
    flat.run()
    assert "c" not in flat.lines[0]


def test_the_loss_of_the_log_is_the_mean_since_the_line_before():
    each, some = Job(), Job()
    each.settings = Settings(**{**vars(each.settings), "log_every": 1})
    each.run()
    some.run()
    losses = {line["step"]: line["loss"] for line in each.lines}
    start = 0
    for line in some.lines:
        mean = np.mean([losses[step] for step in range(start + 1, line["step"] + 1)])
        np.testing.assert_allclose(line["loss"], mean, rtol=1e-12)
        start = line["step"]


def test_only_matrices_decay():
    job = Job()
    decay = {
        name: group["weight_decay"]
        for group in job.state.optimizers[0].param_groups
        for name, parameter in job.state.parameters.items()
        if any(parameter is each for each in group["params"])
    }
    assert decay == {
        "head.weight": 0.5, "head.bias": 0.0, "log_alpha": 0.0, "log_tau": 0.0, "log_c": 0.0,
    }  # fmt: skip
    groups = job.state.optimizers[0].param_groups
    assert {group["betas"] for group in groups} == {(0.9, 0.999)}


def test_scalars_are_within_bounds_after_each_step():
    job = Job(rate=10.0, epochs=1)
    job.settings = Settings(**{**vars(job.settings), "log_every": 1})
    job.run()
    bounds = np.float32([0.1, 10, 1, 0.01])
    assert all(0.0999 < line["c"] < 10.001 for line in job.lines), bounds
    assert all(line["alpha"] <= 1 and line["tau"] > 0.00999 for line in job.lines)
    assert any(line["alpha"] == 1 for line in job.lines)


def test_a_long_gradient_is_shortened():
    free, clipped = Job(), Job(clip=1e-3)
    found = []
    for job in (free, clipped):
        step = job.state.optimizers[0].step

        def seen(job=job, step=step):
            gradients = list(job.state.gradients().values())
            found.append(float(torch.nn.utils.get_total_norm(gradients)))
            step()

        job.state.optimizers[0].step = seen
        job.run()
    assert max(found[: free.steps]) > 1
    assert max(found[free.steps :]) < 1.001e-3


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("input", "the first bad tensor: inputs"),
        ("parameter", "the first bad tensor: parameter head.bias"),
        ("gradient", "the first bad tensor: gradient of head.weight"),
    ],
)
def test_what_is_not_finite_stops_the_training_and_is_named(where, message):
    job = Job()
    before = job.state.model.weights()
    if where == "input":
        job.source.vectors[0][:] = np.inf
    elif where == "parameter":
        with torch.no_grad():
            job.state.model.head.bias[1] = torch.nan
    else:
        job.state.model.head.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(UserError, match=message) as caught:
        job.run()
    assert caught.value.exit_code == 3
    assert "in step 1" in str(caught.value)
    assert job.kept == []
    np.testing.assert_array_equal(job.state.model.weights()["head.weight"], before["head.weight"])


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    job, other = Job(), Job(geometry="euclidean")
    job.run()
    store = Store(tmp_path / "model.h5", "config")
    store.keep(job.state)
    found = store.begin(resume=True, overwrite=False)
    with pytest.raises(UserError, match="is of another network"):
        other.state.restore(found.arrays, found.meta, "x")
    again = Job()
    again.state.restore(found.arrays, found.meta, "x")
    same(again.state.model.weights(), job.state.model.weights())
    assert again.state.step == job.steps


def planted(found, rng):
    """Return vectors in which boxes are like their image, but for some noise and a level."""
    images, of_image = np.unique(found.items.image, return_inverse=True)
    who = rng.normal(size=(len(images), 8))[of_image]
    level = 2.0 * found.items.kind[:, None]
    noise = 0.1 * rng.normal(size=who.shape)
    return np.concatenate([who + noise, level], 1).astype(np.float32)


def test_a_hierarchy_that_is_there_is_learned():
    """Held-out boxes lie outward of their own image, and random boxes do not."""
    rng = np.random.default_rng(1)
    known, held_out = scenes(60, seed=1), scenes(30, seed=2)
    job = Job(epochs=24)
    job.examples = Examples(known, cross_image=0, batch_size=64, seed=0)
    rows = np.arange(len(known.items))
    job.source = Embedded([planted(known, rng)], np.zeros_like(rows), rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PartsModel(9, 8, geometry="lorentz")
    job.state = state.start(model, None, rate=1e-2, weight_decay=0.0)
    vectors = torch.from_numpy(planted(held_out, rng))
    whole = held_out.items.kind[held_out.parent] == 0
    parent, child = held_out.parent[whole], held_out.child[whole]
    other = rng.permutation(child)

    def angles():
        with torch.no_grad():
            points = model(vectors)
            found = [lorentz.angle(points[parent], points[c], model.c) for c in (child, other)]
        return [float(angle.median()) for angle in found]

    before = angles()
    job.run()
    after = angles()
    assert after[0] < 0.5 * after[1]
    assert after[0] < 0.5 * before[0]
