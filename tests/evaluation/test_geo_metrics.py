"""Metrics and tables of places: by hand, and against plain loops on random items."""

import math
import statistics

import numpy as np
import pytest

from hiertools.evaluation import geo_tables
from hiertools.evaluation.geo_case import Case, Sureness
from hiertools.evaluation.geo_metrics import metric_rows
from hiertools.places import unit_vectors

RADIUS = 6371.0
QUARTER = math.pi / 2 * RADIUS


def case(truth, answer, place=None, found=None, sureness=None, most=None, known=None):
    levels = ("country", "region", "city")[: len(truth[0])]
    vectors = [
        None if x is None else unit_vectors(*np.array(x, np.float64).T) for x in (place, found)
    ]
    return Case(
        levels, np.array(truth), np.array(answer), *vectors, sureness,
        None if most is None else np.array(most), None if known is None else np.array(known),
    )  # fmt: skip


def rows(*cases, resamples=200, seed=0):
    mine, other = cases if len(cases) > 1 else (cases[0], None)
    found = list(metric_rows(mine, other, resamples=resamples, seed=seed))
    return {(row["metric"], row.get("of", row.get("km"))): row for row in found}


def test_accuracy_by_hand():
    truth = [[0, 2, 4], [0, 2, -1], [1, 3, 5], [1, -1, 6]]
    answer = [[0, 2, 7], [0, 3, 4], [0, 3, 5], [1, -1, -1]]
    known = [[True] * 3, [True] * 3, [True, True, False], [True] * 3]
    found = rows(case(truth, answer, most=[0, 3, 4], known=known))
    country, region, city = (found["accuracy", x] for x in ("country", "region", "city"))
    assert (country["value"], country["queries"]) == (3 / 4, 4)
    assert (region["value"], region["queries"]) == (2 / 3, 3)
    assert (city["value"], city["queries"]) == (1 / 3, 3)
    # half of the truth is 0 and three quarters of the answers; half is 1, a quarter of the answers
    assert country["chance"] == 0.5 * 0.75 + 0.5 * 0.25
    assert region["chance"] == pytest.approx(2 / 3 * 1 / 4 + 1 / 3 * 2 / 4)
    assert [row["frequent"] for row in (country, region, city)] == [0.5, 1 / 3, 1 / 3]
    assert [row["coverage"] for row in (country, region, city)] == [1, 1, 2 / 3]
    assert "difference" not in country
    assert set(found) == {("accuracy", x) for x in ("country", "region", "city")}


def test_distances_by_hand():
    place = [(0, 0), (0, 0), (0, 179.9), (90, 0)]
    found = [(0, 0), (0, 90), (0, -179.9), (90, 120)]  # the date line, and the pole
    across = math.radians(0.2) * RADIUS
    made = rows(case([[0]] * 4, [[0]] * 4, place, found))
    km = [0, QUARTER, across, 0]
    assert made["mean_km", None]["value"] == pytest.approx(statistics.mean(km))
    assert made["median_km", None]["value"] == pytest.approx(statistics.median(km))
    scores = [5000 * math.exp(-x / 1492.7) for x in km]
    assert made["geoscore", None]["value"] == pytest.approx(statistics.mean(scores))
    shares = [made["recall", radius]["value"] for radius in (1, 25, 200, 750, 2500)]
    assert shares == [0.5, 0.75, 0.75, 0.75, 0.75]


def test_an_answer_that_is_always_the_same_is_its_own_chance():
    place = [(10, 10), (20, 50), (-30, 100), (45, -120), (0, 0)]
    made = rows(case([[0], [1], [0], [2], [1]], [[0]] * 5, place, [(48, 16)] * 5))
    for row in made.values():
        assert row["chance"] == pytest.approx(row["value"])


def test_items_without_a_place_have_no_distance():
    nowhere = (math.nan, math.nan)
    place, found = [(0, 0), nowhere, (0, 0)], [(0, 90), (0, 0), nowhere]
    made = rows(case([[0]] * 3, [[0]] * 3, place, found))
    assert made["mean_km", None]["value"] == pytest.approx(QUARTER)
    assert made["mean_km", None]["queries"] == 1
    assert "low" not in made["mean_km", None]
    everywhere = rows(case([[0]] * 3, [[0]] * 3, [nowhere] * 3, found))
    assert set(everywhere) == {("accuracy", "country")}


def random_case(seed, n=60):
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, 4, (n, 3))
    answer = np.where(rng.random((n, 3)) < 0.4, truth, rng.integers(-1, 4, (n, 3)))
    place = np.stack([rng.uniform(-90, 90, n), rng.uniform(-180, 180, n)], 1)
    found = np.clip(place + rng.normal(0, 5, (n, 2)), (-90, -180), (90, 180))
    place[rng.random(n) < 0.1] = math.nan
    probability = np.sort(rng.random((n, 3)))[:, ::-1]
    probability = np.where(rng.random((n, 3)) < 0.1, math.nan, probability)
    level = rng.integers(0, 3, n)
    confidence = np.nan_to_num(probability[np.arange(n), level], nan=0.5)
    return truth, answer, place, found, Sureness(level, confidence, probability)


def haversine(a, b):
    """The distance of two points in degrees, by the textbook."""
    lat, lon, lat2, lon2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat) / 2) ** 2
    h += math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * RADIUS * math.asin(math.sqrt(h))


@pytest.mark.parametrize("seed", range(3))
def test_all_metrics_are_those_of_plain_loops(seed):
    truth, answer, place, found, sureness = random_case(seed)
    made = rows(case(truth, answer, place, found, sureness))
    for level, name in enumerate(("country", "region", "city")):
        judged = [t[level] == a[level] for t, a in zip(truth, answer, strict=True) if t[level] >= 0]
        assert made["accuracy", name]["value"] == pytest.approx(sum(judged) / len(judged))
        assert made["accuracy", name]["queries"] == len(judged)
    km = [haversine(a, b) for a, b in zip(place, found, strict=True) if not math.isnan(a[0])]
    assert made["mean_km", None]["value"] == pytest.approx(statistics.mean(km))
    assert made["median_km", None]["value"] == pytest.approx(statistics.median(km))
    scores = [5000 * math.exp(-x / 1492.7) for x in km]
    assert made["geoscore", None]["value"] == pytest.approx(statistics.mean(scores))
    for radius in (1, 25, 200, 750, 2500):
        inside = sum(x < radius for x in km) / len(km)
        assert made["recall", radius]["value"] == pytest.approx(inside)
    level = sureness.level
    judged = [
        truth[i][level[i]] == answer[i][level[i]]
        for i in range(len(truth)) if truth[i][level[i]] >= 0
    ]  # fmt: skip
    assert made["accuracy", "reported"]["value"] == pytest.approx(sum(judged) / len(judged))
    for name, row in made.items():
        if name[0] != "ece":
            assert row["low"] <= row["value"] <= row["high"]


@pytest.mark.parametrize("seed", range(3))
def test_calibration_is_that_of_a_plain_loop(seed):
    truth, answer, _, _, sureness = random_case(seed)
    found = case(truth, answer, sureness=sureness)
    made, table = rows(found), list(geo_tables.reliability_rows(found))
    for level, name in enumerate(("country", "region", "city")):
        pairs = [
            (p[level], t[level] == a[level])
            for t, a, p in zip(truth, answer, sureness.probability, strict=True)
            if t[level] >= 0 and not math.isnan(p[level])
        ]
        error = 0.0
        listed = [row for row in table if row["of"] == name]
        for row in listed:
            inside = [(p, r) for p, r in pairs if row["above"] < p <= row["up_to"]]
            assert row["items"] == len(inside)
            assert row["confidence"] == pytest.approx(statistics.fmean(p for p, _ in inside))
            assert row["accuracy"] == pytest.approx(statistics.fmean(r for _, r in inside))
            error += len(inside) * abs(row["confidence"] - row["accuracy"]) / len(pairs)
        assert sum(row["items"] for row in listed) == len(pairs)
        assert made["ece", name]["value"] == pytest.approx(error)
    assert {row["of"] for row in table} == {"country", "region", "city", "reported"}


def test_what_is_reported_by_hand():
    level = np.array([0, 0, 1, 1, 1])
    truth = [[0, 1], [0, 1], [0, 1], [0, 2], [0, -1]]
    answer = [[0, 1], [3, 1], [0, 1], [0, 1], [0, 1]]
    sure = Sureness(level, np.full(5, 0.5), np.full((5, 2), 0.5))
    found = case(truth, answer, sureness=sure)
    assert list(geo_tables.reported_rows(found)) == [
        {"level": "country", "items": 2, "share": 0.4, "accuracy": 0.5, "labelled": 2},
        {"level": "region", "items": 3, "share": 0.6, "accuracy": 0.5, "labelled": 2},
    ]
    made = rows(found)
    assert made["accuracy", "reported"]["value"] == 0.5
    assert made["accuracy", "reported"]["queries"] == 4
    assert made["ece", "reported"]["value"] == 0
    assert made["ece", "country"]["value"] == pytest.approx(0.3)
    assert list(geo_tables.reported_rows(case(truth, answer))) == []
    assert list(geo_tables.reliability_rows(case(truth, answer))) == []


def test_a_run_against_itself_and_against_a_worse_one():
    truth, answer, place, found, _ = random_case(0, 200)
    mine, worse = case(truth, answer, place, found), case(truth, answer * 0 + 9, place, found * 0.5)
    for row in rows(mine, mine).values():
        assert row["against"] == row["value"]
        assert (row["difference"], row["difference_low"], row["difference_high"]) == (0, 0, 0)
    made = rows(mine, worse)
    country = made["accuracy", "country"]
    assert country["difference"] == pytest.approx(country["value"] - country["against"])
    assert country["against"] == 0
    assert 0 < country["difference_low"] < country["difference"] < country["difference_high"]
    median = made["median_km", None]
    assert median["difference"] == pytest.approx(median["value"] - median["against"])
    assert median["difference_low"] <= median["difference"] <= median["difference_high"] < 0


def test_a_paired_difference_is_narrower_than_that_of_strangers():
    truth, _, place, found, _ = random_case(1, 300)
    near = case(truth, truth, place, found * 0.99)
    made = rows(case(truth, truth, place, found), near)["mean_km", None]
    assert made["difference_high"] - made["difference_low"] < 0.5 * (made["high"] - made["low"])


def test_a_metric_that_the_other_run_lacks_has_no_difference():
    truth, answer, place, found, _ = random_case(0)
    made = rows(case(truth, answer, place, found), case(truth, answer))
    assert "difference" in made["accuracy", "country"]
    assert "difference" not in made["mean_km", None]


def test_the_same_seed_is_the_same_rows():
    made = case(*random_case(0))
    assert rows(made, seed=3) == rows(made, seed=3)
    assert rows(made, seed=3) != rows(made, seed=4)


def test_slices_by_hand():
    truth, answer = [[0, 5], [0, 6], [1, -1], [1, 7]], [[0, 5], [1, 5], [1, 5], [0, 7]]
    found = case(truth, answer, [(0, 0)] * 4, [(0, 0), (0, 90), (0, 0), (90, 0)])
    slices = geo_tables.of_texts("country", ["FR", "FR", "DE", None], at_least=1)
    one, other = geo_tables.slice_rows(found, slices)
    assert one == {
        "by": "country", "part": "DE", "items": 1, "accuracy_country": 1.0, "mean_km": 0.0,
        "median_km": 0.0, "geoscore": 5000.0,
    }  # fmt: skip
    assert (other["part"], other["items"]) == ("FR", 2)
    assert (other["accuracy_country"], other["accuracy_region"]) == (0.5, 0.5)
    assert other["mean_km"] == other["median_km"] == pytest.approx(QUARTER / 2)
    assert other["geoscore"] == pytest.approx(2500 * (1 + math.exp(-QUARTER / 1492.7)))
    few = geo_tables.of_texts("country", ["FR", "FR", "DE", None], at_least=2)
    assert [row["part"] for row in geo_tables.slice_rows(found, few)] == ["FR"]
    assert geo_tables.left_out(few) == (1, 1)
    assert geo_tables.left_out(slices) == (0, 1)


def test_bands_of_counts():
    counts = np.array([0, 1, 2, 5, 6, 20, 21, 100, 101, 10**6, -1])
    slices = geo_tables.of_counts("count", counts)
    assert slices.names == ["0", "1", "2-5", "6-20", "21-100", ">100"]
    assert slices.part.tolist() == [0, 1, 2, 2, 3, 3, 4, 4, 5, 5, -1]


def test_slices_of_all_items_sum_up_to_the_whole():
    truth, answer, place, found, _ = random_case(2)
    made = case(truth, answer, place, found)
    texts = [str(i % 3) for i in range(len(truth))]
    parts = list(geo_tables.slice_rows(made, geo_tables.of_texts("x", texts, at_least=1)))
    assert sum(row["items"] for row in parts) == len(truth)
    for level, name in enumerate(made.levels):
        sizes = [int((truth[i::3, level] >= 0).sum()) for i in range(3)]
        right = sum(n * row[f"accuracy_{name}"] for n, row in zip(sizes, parts, strict=True))
        assert right / sum(sizes) == pytest.approx(rows(made)["accuracy", name]["value"])
