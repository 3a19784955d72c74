"""The point for several places: by hand, and against a search over the whole globe."""

import numpy as np
import pytest

from hiertools.metrics.geo import geoscores
from hiertools.places import coordinates, haversine_km, unit_vectors
from hiertools.search.locating import METHODS, locate


def at(*places):
    latitude, longitude = np.array(places, float).T
    return unit_vectors(latitude, longitude)[None]


def degrees(found):
    return np.stack(coordinates(found), 1)[0]


@pytest.mark.parametrize("method", METHODS)
def test_one_sure_place_is_the_answer(method):
    places = at((10, 20), (10, 20.1), (-40, 170))
    found = locate(places, np.array([[1.0, 0, 0]]), method=method)
    np.testing.assert_allclose(degrees(found), [10, 20], atol=1e-3)


def test_centroid_is_the_likeliest_place():
    places = at((10, 20), (50, 60))
    assert degrees(locate(places, np.array([[0.4, 0.6]]), method="centroid")) == pytest.approx(
        [10, 20]
    )


def test_more_than_half_of_the_weight_is_the_median():
    places = at((0, 0), (0, 10), (5, 30))
    found = locate(places, np.array([[0.6, 0.2, 0.2]]), method="expected-km")
    np.testing.assert_allclose(degrees(found), [0, 0], atol=1e-3)


def test_the_median_of_three_places_around_a_point():
    """At the Fermat point of an equilateral triangle, by symmetry its middle."""
    angle = np.radians([90, 210, 330])
    places = at(*np.stack([10 * np.sin(angle), 10 * np.cos(angle)], 1))
    middle = locate(places, np.full((1, 3), 1 / 3), method="expected-km")
    assert haversine_km(middle, at((0, 0))[0]) < 30  # km; a degree is 111: cos(latitude) is not 1
    expected = haversine_km(middle[:, None], places).mean()
    assert expected < haversine_km(places[:, :1], places).mean()


def test_across_the_date_line():
    places = at((0, 179), (0, -179), (0, 178), (0, -178))
    found = degrees(locate(places, np.full((1, 4), 0.25), method="expected-km"))
    assert abs(found[1]) > 178.9


def test_geoscore_stays_in_the_crowd_where_the_median_goes_between():
    """On the equator: half of the weight is west of 60, but two places are near each other."""
    places = at((0, 0), (0, 2), (0, 60), (0, 120), (0, 170))
    weight = np.array([[0.3, 0.1, 0.2, 0.2, 0.2]])
    crowd = degrees(locate(places, weight, method="geoscore"))
    np.testing.assert_allclose(crowd, [0, 0], atol=0.1)
    between = degrees(locate(places, weight, method="expected-km"))
    np.testing.assert_allclose(between, [0, 60], atol=1e-3)


@pytest.mark.parametrize("method", ["expected-km", "geoscore"])
def test_nothing_on_the_globe_is_better(method):
    rng = np.random.default_rng(1)
    items, m = 30, 8
    places = unit_vectors(*rng.uniform([-50, -60], [50, 60], (items, m, 2)).T)
    places = np.moveaxis(places, 1, 0)
    weight = rng.dirichlet(np.ones(m), items)
    gain = geoscores if method == "geoscore" else (lambda km: -km)
    i = np.arange(20_000) + 0.5
    turn = np.pi * (1 + 5**0.5) * i
    z = 1 - 2 * i / len(i)
    globe = np.stack([np.cos(turn) * np.sqrt(1 - z * z), np.sin(turn) * np.sqrt(1 - z * z), z], 1)
    for row, place in enumerate(locate(places, weight, method=method)):
        found = (gain(haversine_km(place, places[row])) * weight[row]).sum()
        best = (gain(haversine_km(globe[:, None], places[row])) * weight[row]).sum(1).max()
        assert found >= best - 1e-3 * abs(best)
