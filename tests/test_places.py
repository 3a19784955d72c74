"""Coordinates, distances and nearest places against sums in high precision and brute force."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.places import (
    EARTH_RADIUS_KM,
    coordinates,
    haversine_km,
    nearest,
    tree,
    unit_vectors,
)

LATITUDES = st.one_of(st.sampled_from([-90.0, -89.9, 0.0, 66.6, 90.0]), st.floats(-90, 90))
LONGITUDES = st.one_of(st.sampled_from([-180.0, -179.9, 0.0, 179.9, 180.0]), st.floats(-180, 180))
COORDINATES = st.tuples(LATITUDES, LONGITUDES)
METRICS = ("sphere", "degrees")


def columns(pairs):
    return np.array(pairs, np.float64).reshape(-1, 2).T


def km_of_vincenty(one, other):
    """Return the great-circle distance by Vincenty's formula for a sphere, with 50 digits."""
    with mpmath.workdps(50):
        radians = [mpmath.radians(mpmath.mpf(float(x))) for x in (*one, *other)]
        phi, lam, phi_, lam_ = radians
        apart = lam_ - lam
        across = mpmath.hypot(
            mpmath.cos(phi_) * mpmath.sin(apart),
            mpmath.cos(phi) * mpmath.sin(phi_)
            - mpmath.sin(phi) * mpmath.cos(phi_) * mpmath.cos(apart),
        )
        along = mpmath.sin(phi) * mpmath.sin(phi_) + mpmath.cos(phi) * mpmath.cos(
            phi_
        ) * mpmath.cos(apart)
        return float(EARTH_RADIUS_KM * mpmath.atan2(across, along))


def km(one, other):
    return float(haversine_km(unit_vectors(*one), unit_vectors(*other)))


@given(COORDINATES, COORDINATES)
def test_distance_is_that_of_another_formula(one, other):
    # rounding of unit vectors is 1e-16, but its root next to the antipode
    wanted = km_of_vincenty(one, other)
    slack = 1e-8 if wanted < 20000 else 2e-4
    np.testing.assert_allclose(km(one, other), wanted, rtol=1e-12, atol=slack)


@given(COORDINATES, st.floats(-1e-4, 1e-4), st.floats(-1e-4, 1e-4))
def test_near_places_are_as_exact_as_far_ones(one, north, east):
    other = (np.clip(one[0] + north, -90, 90), np.clip(one[1] + east, -180, 180))
    np.testing.assert_allclose(km(one, other), km_of_vincenty(one, other), atol=5e-12)


@pytest.mark.parametrize(
    ("one", "other", "share_of_half_way_round"),
    [
        ((0, 0), (0, 180), 1),
        ((90, 0), (-90, 77), 1),
        ((0, 0), (0, 1), 1 / 180),
        ((0, 179.5), (0, -179.5), 1 / 180),
        ((90, -50), (90, 120), 0),
        ((-5, 180), (-5, -180), 0),
        ((89, 0), (89, 180), 2 / 180),
    ],
)
def test_distances_that_are_known(one, other, share_of_half_way_round):
    wanted = np.pi * EARTH_RADIUS_KM * share_of_half_way_round
    np.testing.assert_allclose(km(one, other), wanted, rtol=1e-12, atol=1e-11)


@given(COORDINATES, st.floats(1e-3, 1e3))
def test_coordinates_undo_unit_vectors_of_any_length(place, length):
    back = coordinates(length * unit_vectors(*place))
    assert km(place, back) < 1e-8
    np.testing.assert_allclose(back[0], place[0], atol=2e-6)  # the root of 1e-16 at the poles


def brute(places, queries, metric):
    """Return the first of the nearest places, by all distances; nearly equal ones are equal."""
    if metric == "sphere":
        u, v = unit_vectors(*queries)[:, None], unit_vectors(*places)[None]
    else:
        u, v = queries.T[:, None], places.T[None]
    distance = np.sqrt(np.square(u - v).sum(-1))
    least = distance.min(1, keepdims=True)
    slack = 1e-15 if metric == "sphere" else 1e-12
    return np.argmax(distance <= least * (1 + 1e-12) + slack, axis=1)


@pytest.mark.parametrize("metric", METRICS)
@settings(deadline=None)  # the first one imports scipy
@given(st.lists(COORDINATES, min_size=1, max_size=30), st.lists(COORDINATES, max_size=10))
def test_the_nearest_place_is_that_of_brute_force(metric, places, queries):
    places, queries = columns(places), columns([*queries, *places[:3]])
    found, apart = nearest(tree(*places, metric=metric), *queries)
    wanted = brute(places, queries, metric)
    np.testing.assert_array_equal(found, wanted)
    expected = haversine_km(unit_vectors(*queries), unit_vectors(*places[:, wanted]))
    np.testing.assert_array_equal(apart, expected)


@pytest.mark.parametrize("metric", METRICS)
def test_many_places_and_coordinates_agree_with_brute_force(metric):
    rng = np.random.default_rng(0)
    places, queries = (
        np.stack([np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)])
        for n in (3000, 1000)
    )
    found, _ = nearest(tree(*places, metric=metric), *queries)
    np.testing.assert_array_equal(found, brute(places, queries, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_of_equally_near_places_it_is_the_first_of_the_table(metric):
    rng = np.random.default_rng(0)
    grid = np.array([(a, b) for a in range(-3, 4) for b in range(-3, 4)], np.float64) / 10
    places = rng.permutation(np.concatenate([grid, grid])).T
    queries = np.array([(a + 0.5, b + 0.5) for a in range(-3, 3) for b in range(-3, 3)]).T / 10
    found, _ = nearest(tree(*places, metric=metric), *queries)
    if metric == "degrees":  # four corners of a square
        corners = np.abs(places[:, None] - queries[:, :, None]).max(0) < 0.06
        np.testing.assert_array_equal(found, np.argmax(corners, axis=1))
    np.testing.assert_array_equal(found, brute(places, queries, metric))


def test_all_places_can_be_equally_near():
    around = np.linspace(-180, 175, 200)
    found, apart = nearest(
        tree(np.full(200, 80.0), around, metric="sphere"), np.array([90.0]), np.array([0.0])
    )
    assert found.tolist() == [0]
    np.testing.assert_allclose(apart, np.pi * EARTH_RADIUS_KM / 18)


def test_metrics_differ_at_the_date_line_and_near_poles():
    latitude, longitude = np.array([0.0, 0.0, 80.0, 84.0]), np.array([-179.0, 170.0, 0.0, 30.0])
    queries = np.array([0.0, 80.0]), np.array([179.0, 29.0])
    sphere, _ = nearest(tree(latitude, longitude, metric="sphere"), *queries)
    degrees, km = nearest(tree(latitude, longitude, metric="degrees"), *queries)
    assert sphere.tolist() == [0, 3]
    assert degrees.tolist() == [1, 3]
    np.testing.assert_allclose(km[0], 9 * np.pi * EARTH_RADIUS_KM / 180)
    # 10 degrees of longitude at 80 north are less than 4 of latitude
    queries = np.array([80.0]), np.array([20.0])
    places = np.array([80.0, 84.0]), np.array([0.0, 20.0])
    assert nearest(tree(*places, metric="sphere"), *queries)[0].tolist() == [0]
    assert nearest(tree(*places, metric="degrees"), *queries)[0].tolist() == [1]


def test_no_coordinates_have_no_places():
    found, apart = nearest(tree(np.zeros(1), np.zeros(1), metric="sphere"), *np.zeros((2, 0)))
    assert len(found) == len(apart) == 0
