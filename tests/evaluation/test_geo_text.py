"""What people read of an evaluation of places."""

from hiertools.evaluation import geo_text
from hiertools.files.metrics import Metrics

PARAMETERS = {
    "protocol": "entity", "levels": ["country", "city"], "radius_km": 6371.0,
    "recall": "distance < radius",
}  # fmt: skip
ROWS = [
    {"metric": "accuracy", "of": "city", "value": 0.12345, "low": 0.1, "high": 0.2,
     "chance": 0.01, "coverage": 0.5, "queries": 1234},
    {"metric": "mean_km", "value": 1234.56, "against": 1300.0, "difference": -65.44,
     "difference_low": -80.0, "difference_high": 1.0, "chance": 8000.0, "queries": 1234},
    {"metric": "recall", "km": 25, "value": 0.5, "queries": 1},
]  # fmt: skip


def lines(*, whole=False, **tables):
    found = Metrics("geo", PARAMETERS, {"items": 1234, "with_distance": 1200}, ROWS, tables)
    return list(geo_text.lines(found, whole=whole))


def test_metrics_are_a_table_with_the_columns_that_there_are():
    items, sphere, table = lines()
    assert items == "1,234 items, 1,200 of them with a distance"
    assert sphere == "distances on a sphere with a radius of 6371.0 km; recall: distance < radius"
    head, _, accuracy, mean, recall = table.splitlines()
    assert head.split() == [
        "metric", "of", "km", "value", "95", "%", "against", "difference", "95", "%", "of", "it",
        "chance", "coverage", "items",
    ]  # fmt: skip
    assert accuracy.split() == [
        "accuracy", "city", "0.1235", "0.1000", "to", "0.2000", "0.0100", "0.5000", "1,234",
    ]  # fmt: skip
    assert mean.split() == [
        "mean_km", "1,234.6", "1,300.0", "-65.4", "-80.0", "to", "+1.0", "8,000.0", "1,234",
    ]  # fmt: skip
    assert recall.split() == ["recall", "25", "0.5000", "1"]


def test_levels_stay_in_order_where_a_part_lacks_one():
    part = {"by": "continent", "items": 2}
    whole = {"accuracy_country": 0.5, "accuracy_city": 0.25, "mean_km": 1000.0}
    slices = [
        {**part, "part": "Africa", "accuracy_city": 0.5},
        {**part, "part": "Asia", **whole},
    ]
    table = lines(slices=slices)[-1]
    head, _, africa, asia = table.splitlines()
    assert head.split() == ["by", "items", "part", "country", "city", "mean", "km"]
    assert africa.split() == ["continent", "2", "Africa", "0.5000"]
    assert asia.split() == ["continent", "2", "Asia", "0.5000", "0.2500", "1,000.0"]


def test_of_many_countries_those_with_most_items_are_shown():
    slices = [{"by": "country", "part": f"c{i}", "items": i} for i in range(50)]
    slices.append({"by": "continent", "part": "Asia", "items": 1})
    assert len(lines(slices=slices)[-1].splitlines()) == 2 + geo_text.SHOWN_COUNTRIES + 1
    assert len(lines(slices=slices, whole=True)[-1].splitlines()) == 2 + 51


def test_reliability_is_shown_on_demand():
    rows = [{"of": "city", "above": 0.0, "up_to": 0.2, "items": 3}]
    assert len(lines(reliability=rows)) == 3
    assert "0.0000" in lines(reliability=rows, whole=True)[-1]
