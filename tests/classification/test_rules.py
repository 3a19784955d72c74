"""Rules beside values computed by hand, plain loops, and what must hold of them."""

import numpy as np
import pytest
import torch

from hiertools.classification import mixing, rules
from tests.classification import made

LN2 = float(np.log(2))  # a decay by which e^-ad is 2^-d


def judged(rule, p, edges=made.TREE, mixed=None):
    """Return what a rule makes of the probabilities of z, x and y."""
    p = torch.tensor([p], dtype=torch.float32)
    return rules.judge(rule, made.classes(edges), mixed)(p.log(), p)


def order(found):
    return [made.CLASSES[i] for i in np.argsort(-found.ranks[0].numpy(), kind="stable")]


def test_argmax_ranks_by_probability():
    found = judged("argmax", [0.3, 0.2, 0.5])
    assert order(found) == ["y", "z", "x"]
    torch.testing.assert_close(found.probabilities, torch.tensor([[0.3, 0.2, 0.5]]))
    assert found.costs is None


@pytest.mark.parametrize(
    ("edges", "p", "costs", "wanted"),
    [
        # x and y are 2 apart, and 4 from z: z is likeliest, x and y are nearer to the rest
        (made.TREE, [0.42, 0.3, 0.28], [2.32, 2.24, 2.28], ["x", "y", "z"]),
        # y is 2 from both, and they are 4 apart
        (made.DAG, [0.45, 0.45, 0.1], [2.0, 2.0, 1.8], ["y", "z", "x"]),
    ],
)
def test_crm_takes_the_least_expected_distance(edges, p, costs, wanted):
    found = judged("crm", p, edges)
    torch.testing.assert_close(found.costs, torch.tensor([costs]))
    torch.testing.assert_close(found.probabilities, torch.tensor([p]))
    assert order(found) == wanted


def test_crm_is_the_least_of_a_plain_sum():
    taxonomy = made.drawn(3)
    size, d = len(taxonomy.classes), taxonomy.distances
    p = made.probabilities(20, size)
    found = rules.judge("crm", taxonomy, None)(p.log(), p)
    for row in range(20):
        costs = [sum(d[k, j] * float(p[row, j]) for j in range(size)) for k in range(size)]
        np.testing.assert_allclose(found.costs[row], costs, rtol=1e-5)
        assert int(found.ranks[row].argmax()) == int(np.argmin(costs))


@pytest.mark.parametrize(
    ("edges", "p", "products"),
    [
        (made.TREE, [0.4, 0.3, 0.3], [0.4 * 0.4, 0.3 * 0.6, 0.3 * 0.6]),
        # of the parents a and b of y, which are as deep, a is the first
        (made.DAG, [0.4, 0.35, 0.25], [0.4 * 0.65, 0.35 * 0.6, 0.25 * 0.6]),
    ],
)
def test_hie_multiplies_by_the_parent(edges, p, products):
    found = judged("hie", p, edges)
    wanted = torch.tensor([products]) / sum(products)
    torch.testing.assert_close(found.probabilities, wanted)
    torch.testing.assert_close(found.ranks, wanted)


def test_hie_takes_the_parent_of_least_depth():
    edges = [("r", "a"), ("a", "m"), ("m", "x"), ("m", "y"), ("r", "x"), ("a", "z")]
    found = judged("hie", [0.2, 0.5, 0.3], edges)  # x is under r, y under m, z under a
    products = torch.tensor([[0.2 * 1.0, 0.5 * 1.0, 0.3 * 0.8]])
    torch.testing.assert_close(found.probabilities, products / products.sum())


def test_hie_gives_a_root_the_factor_1():
    found = rules.judge("hie", made.classes([("z", "x"), ("z", "y")]), None)
    p = torch.tensor([[0.2, 0.5, 0.3]])
    torch.testing.assert_close(found(p.log(), p).probabilities, p)


def test_paper_by_hand():
    """Omega of z is 8/9, 1/18, 1/18; that of x is 1/21 of z, 16/21 of itself and 4/21 of y."""
    weights = mixing.weights(made.classes().distances, LN2)
    rows = [[8 / 9, 1 / 18, 1 / 18], [1 / 21, 16 / 21, 4 / 21], [1 / 21, 4 / 21, 16 / 21]]
    np.testing.assert_allclose(weights, rows)
    found = judged("paper", [0.4, 0.35, 0.25], mixed=mixing.refining(weights, influence=1, steps=1))
    s = [
        0.4 + (8 * 0.4 / 9 + 0.6 / 18),
        0.35 + (0.4 + 16 * 0.35 + 4 * 0.25) / 21,
        0.25 + (0.4 + 4 * 0.35 + 16 * 0.25) / 21,
    ]
    torch.testing.assert_close(found.probabilities, torch.tensor([s]) / sum(s))


def test_restart_by_hand():
    """x = p/2 + Omega x/2, solved for the 2 x 2 block of x and y and for z in turn."""
    weights = np.array([[1.0, 0, 0], [0, 0.75, 0.25], [0, 0.25, 0.75]])
    found = judged("restart", [0.2, 0.8, 0], mixed=mixing.walking(weights, restart=0.5))
    # (I - W/2)^-1 of the block is [5/3, 1/3; 1/3, 5/3], and half of it times p
    wanted = torch.tensor([[0.2, 0.8 * 5 / 6, 0.8 / 6]])
    torch.testing.assert_close(found.probabilities, wanted)


@pytest.fixture(params=range(4))
def case(request):
    """A DAG with its Omega, whose columns do not sum to 1, and probabilities."""
    taxonomy = made.drawn(request.param)
    weights = mixing.weights(taxonomy.distances, 0.3)
    assert abs(weights.sum(0) - 1).max() > 1e-3
    return taxonomy, weights, made.probabilities(30, len(weights), seed=request.param)


@pytest.mark.parametrize(("influence", "steps"), [(0.3, 1), (0.3, 4), (2.0, 3), (0.0, 2)])
def test_steps_are_those_of_equations_8_to_11(case, influence, steps):
    _, weights, p = case
    found = mixing.refining(weights, influence=influence, steps=steps)
    for row in p.double().numpy():
        refined = row / row.sum()
        for _ in range(steps):
            s = [
                refined[i] + influence * sum(weights[i, j] * refined[j] for j in range(len(row)))
                for i in range(len(row))
            ]
            refined = np.array(s) / sum(s)
        mixed = found.matrix @ row
        np.testing.assert_allclose(mixed / mixed.sum(), refined, rtol=1e-9)
        power = np.linalg.matrix_power(np.eye(len(row)) + influence * weights, steps) @ row
        np.testing.assert_allclose(power / power.sum(), refined, rtol=1e-9)


def test_paper_without_influence_is_argmax(case):
    taxonomy, weights, p = case
    mixed = mixing.refining(weights, influence=0, steps=3)
    found = rules.judge("paper", taxonomy, mixed)(p.log(), p)
    torch.testing.assert_close(found.probabilities, p)
    torch.testing.assert_close(found.ranks.argsort(1), p.argsort(1))


@pytest.mark.parametrize("restart", [0.0, 0.3, 0.9])
def test_restart_is_the_sum_of_all_walks(case, restart):
    taxonomy, weights, p = case
    walks = sum((1 - restart) * restart**t * np.linalg.matrix_power(weights, t) for t in range(300))
    mixed = mixing.walking(weights, restart=restart)
    np.testing.assert_allclose(mixed.matrix, walks, atol=1e-10)
    np.testing.assert_allclose(mixed.matrix.sum(1), 1)
    found = rules.judge("restart", taxonomy, mixed)(p.log(), p).probabilities
    torch.testing.assert_close(found.sum(1), torch.ones(len(p)))
    s = walks @ p.double().numpy().T
    torch.testing.assert_close(found.double().numpy(), (s / s.sum(0)).T, atol=1e-6, rtol=1e-5)
    if restart == 0:
        torch.testing.assert_close(found, p)


def test_many_steps_are_uniform_and_walks_are_not(case):
    _, weights, p = case
    size = len(weights)
    flat = mixing.refining(weights, influence=0.3, steps=10_000)
    np.testing.assert_allclose(flat.kept, 1 / size, rtol=1e-6)
    assert (flat.own, flat.least_gap) == (0, 1)
    mixed = flat.matrix @ p.double().numpy().T
    np.testing.assert_allclose(mixed / mixed.sum(0), 1 / size, rtol=1e-6)
    assert mixing.refining(weights, influence=0.3, steps=1).kept > 0.77  # 1 / 1.3
    assert mixing.walking(weights, restart=0.3).kept > 0.7


@pytest.mark.parametrize("rule", ["paper", "restart"])
def test_the_first_class_changes_only_within_the_least_gap(case, rule):
    _, weights, _ = case
    mixed = (
        mixing.refining(weights, influence=2, steps=2)
        if rule == "paper"
        else mixing.walking(weights, restart=0.8)
    )
    p = made.probabilities(20_000, len(weights), spread=1.0).double().numpy()
    first, second = np.sort(p, 1)[:, -1], np.sort(p, 1)[:, -2]
    changed = (p @ mixed.matrix.T).argmax(1) != p.argmax(1)
    assert changed.any()
    assert (first - second)[changed].max() < mixed.least_gap


@pytest.mark.parametrize("rule", ["argmax", "crm", "hie", "ancestor"])
def test_probabilities_sum_to_1(case, rule):
    taxonomy, _, p = case
    found = rules.judge(rule, taxonomy, None)(p.log(), p)
    torch.testing.assert_close(found.probabilities.sum(1), torch.ones(len(p)))
