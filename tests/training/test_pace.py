"""Learning rates over a training."""

import math

import pytest

from hiertools.training.pace import SCHEDULES, pace


def paces(schedule, *, total=10, warmup=0):
    return [pace(step, total=total, warmup=warmup, schedule=schedule) for step in range(total)]


def test_a_constant_pace_is_1():
    assert paces("constant") == [1.0] * 10


def test_a_line_falls_by_the_same_in_each_step():
    assert paces("linear") == pytest.approx([1 - step / 10 for step in range(10)])


def test_a_cosine_is_half_way_down_in_the_middle():
    found = paces("cosine")
    assert found[0] == 1
    assert found[5] == pytest.approx(0.5)
    assert found[9] == pytest.approx((1 + math.cos(0.9 * math.pi)) / 2)
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_warm_up_rises_in_equal_steps_to_the_full_rate(schedule):
    found = paces(schedule, warmup=4)
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    assert found[4] == 1
    assert paces(schedule, total=3, warmup=5) == pytest.approx([0.2, 0.4, 0.6])
