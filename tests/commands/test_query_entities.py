"""`hiertools index` and `query` of entities, end to end on a small world."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hiertools.cli import main
from hiertools.files.entities import write_entities
from hiertools.files.entity_index import read_entity_index
from hiertools.files.inputs import Path
from hiertools.files.items import decode
from hiertools.files.predictions import read_predictions
from hiertools.places import haversine_km, unit_vectors
from tests.search import material
from tests.search.entity_material import embedded, model_of, saved
from tests.training.geography import Geography

ONCE = "--no-provenance"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index by a model and one without, of a world where some regions have no name."""
    folder = tmp_path_factory.mktemp("made")
    world = saved(folder, missing=0.3, nuisance=0.3, queries=60)
    run("index", folder / "entities.h5", "--model", folder / "model.h5", "-o", folder / "index.h5")
    run("index", folder / "entities.h5", "-o", folder / "zero.h5")
    embedded(folder / "other.h5", world.vectors[:3], digest="b" * 64)
    embedded(folder / "wide.h5", np.ones((2, 17)))
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)


def run(*arguments):
    assert main([*map(str, arguments), "-q"]) == 0


def refused(capsys, *arguments):
    code = main([*map(str, arguments)])
    return code, capsys.readouterr().err.strip().splitlines()[-1]


def predictions(path="predictions.jsonl"):
    header, found = read_predictions(Path(path))
    return header, list(found)


def test_a_prediction_is_a_path_of_the_hierarchy():
    run("query", "index.h5", "queries.h5")
    header, found = predictions()
    assert (header["method"], header["score"], header["beam"]) == ("beam", "energy", 10)
    assert (header["k"], header["threshold"], header["temperature"]) == (20, 0.5, None)
    index = read_entity_index(Path("index.h5"))
    assert header["entities"] == index.meta["entities"]
    keys = {decode(key): row for row, key in enumerate(index.items.id)}
    assert [each.id for each in found] == [f"i0-{row}" for row in range(60)]
    for each in found:
        assert each.top[0].key == each.path[-1].key
        row = keys[each.path[-1].key]
        assert (each.latitude, each.longitude) == (
            index.items.latitude[row], index.items.longitude[row]
        )  # fmt: skip
        for above, below in zip(each.path, each.path[1:], strict=False):
            assert below.key.startswith(f"{above.key}/")
            assert below.probability <= above.probability + 1e-12
        assert not any(index.nodes.implicit[keys[step.key]] for step in (*each.top, *each.path))
        sure = [step.level for step in each.path if step.probability >= 0.5]
        assert each.level == (sure[-1] if sure else "country")
        assert 0.8 < sum(step.probability for step in each.top) < 1 + 1e-9  # 20 of 27 or fewer
    assert {each.depth for each in found} == {2, 3}


def test_a_wide_beam_is_exact_and_batches_do_not_matter():
    run("query", "index.h5", "queries.h5", ONCE, "--beam", 999, "-k", 27, "-o", "wide.jsonl")
    run("query", "index.h5", "queries.h5", ONCE, "--method", "exact", "-k", 27, "-o", "exact.jsonl")
    run(
        "query", "index.h5", "queries.h5", ONCE, "--beam", 999, "-k", 27, "--batch-size", 7,
        "-o", "small.jsonl",
    )  # fmt: skip
    lines = [Path(f"{name}.jsonl").read_text().splitlines() for name in ("wide", "exact", "small")]
    assert lines[0][1:] == lines[1][1:] == lines[2][1:]


@pytest.mark.parametrize("score", ["energy", "distance", "ip", "log-probability", "last"])
def test_every_score_is_written(score):
    run("query", "index.h5", "queries.h5", "--score", score)
    assert predictions()[0]["score"] == score


def test_flat_has_the_best_of_each_level():
    run("query", "zero.h5", "queries.h5", "--method", "flat", "-k", 3)
    world = Geography(missing=0.3, nuisance=0.3)
    unit = world.vectors[:60] / np.linalg.norm(world.vectors[:60], axis=1, keepdims=True)
    header, found = predictions()
    assert "beam" not in header
    for level in range(3):
        rows = world.entities.rows_of(level)
        cosines = unit @ world.entities.prototypes(level, without=None).T
        cosines[:, world.entities.implicit[rows]] = -1
        wanted = [decode(world.entities.key[rows][row]) for row in cosines.argmax(1)]
        assert [each.path[level].key for each in found] == wanted
    assert {len(each.top) for each in found} == {3}


def test_locate_expected_km_is_no_farther_than_the_centroid():
    for locate in ("centroid", "expected-km", "geoscore"):
        run("query", "zero.h5", "queries.h5", "--locate", locate, "-o", f"{locate}.jsonl")
    middle, first = predictions("expected-km.jsonl")[1], predictions("centroid.jsonl")[1]
    moved = 0
    for found, other in zip(middle, first, strict=True):
        places = unit_vectors(*np.array([(s.latitude, s.longitude) for s in found.top]).T)
        weight = np.array([step.probability for step in found.top])
        km = [
            (haversine_km(unit_vectors(each.latitude, each.longitude), places) * weight).sum()
            for each in (found, other)
        ]
        assert km[0] <= km[1] + 1e-6
        moved += km[0] < km[1] - 1
    assert moved
    assert predictions("geoscore.jsonl")[0]["locate"] == "geoscore"


def test_thresholds():
    for threshold, levels in ((0, {"city"}), (1, {"country"})):
        run("query", "zero.h5", "queries.h5", "--threshold", threshold, "--overwrite")
        found = predictions()[1]
        assert {each.level for each in found} == levels
        assert all(each.confidence == each.path[0].probability for each in found) or not threshold


def table_of(world):
    """Write entities of levels that have no rules of their own, and their items as a table."""
    levels = ["realm", "region", "city"]
    meta = {**world.entities.meta, "levels": levels}
    entities = replace(world.entities, levels=levels, meta=meta)
    write_entities(Path("realms.h5"), entities, world.members, chain=[], overwrite=False)
    keys = [decode(world.entities.key[row]) for row in world.members.entity[:60, -1]]
    rows = [
        ",".join([f"i0-{i}", *(part.replace("%", "") for part in key.split("/"))])
        for i, key in enumerate(keys)
    ]
    text = "\n".join(["id,realm,region,city", *rows, "more,n0,n3,n12", ""])
    Path("truth.csv").write_text(text)
    return "realms.h5", "truth.csv"


@pytest.mark.parametrize("of", ["entities", "csv"])
def test_calibrate(of, capsys):
    entities, truth = "entities.h5", "entities.h5"
    if of == "csv":
        entities, truth = table_of(Geography(missing=0.3, nuisance=0.3))
    arguments = ("--calibrate", "queries.h5", "--truth", truth)
    assert main(["index", entities, "-o", "c.h5", *arguments]) == 0
    said = capsys.readouterr().err
    assert "from 60 images: negative log-likelihood" in said
    meta = read_entity_index(Path("c.h5")).meta
    assert meta["temperature"] < 1  # cosines are nearly alike
    assert meta["calibration"]["nll"][1] < meta["calibration"]["nll"][0]
    assert meta["calibration"]["ece"][1] < meta["calibration"]["ece"][0]
    run("query", "c.h5", "queries.h5")
    header, found = predictions()
    assert header["temperature"] == meta["temperature"]
    run("query", "zero.h5", "queries.h5", "-o", "raw.jsonl")
    raw = predictions("raw.jsonl")[1]
    assert [[s.key for s in each.path] for each in found] == [
        [s.key for s in each.path] for each in raw
    ]
    assert found[0].confidence != raw[0].confidence
    assert main(["query", "c.h5", "queries.h5", "--score", "distance", "--overwrite"]) == 0
    assert "was calibrated for paths by ip; the probabilities of others are raw" in (
        capsys.readouterr().err
    )
    assert predictions()[0]["temperature"] is None
    assert main(["query", "c.h5", "queries.h5", "--beam", "3", "--overwrite"]) == 0
    assert "was calibrated for a beam of 10; probabilities fit that search best" in (
        capsys.readouterr().err
    )
    run("query", "c.h5", "queries.h5", "--method", "flat", "--overwrite")
    assert predictions()[0]["temperature"] is None


def test_a_taxonomy_without_coordinates(capsys, tmp_path):
    (tmp_path / "t").mkdir()
    saved(tmp_path / "t", coordinates=False)
    run("index", "t/entities.h5", "--model", "t/model.h5", "-o", "t/index.h5")
    run("query", "t/index.h5", "t/queries.h5")
    found = predictions()[1]
    assert found[0].latitude is None
    assert found[0].path[0].latitude is None
    arguments = ("t/index.h5", "t/queries.h5", "--locate", "geoscore", "--overwrite")
    code, said = refused(capsys, "query", *arguments)
    assert (code, "its entities have no coordinates" in said) == (3, True)


def test_the_same_bytes_twice():
    for name in ("a", "b"):
        run("index", "entities.h5", "--model", "model.h5", ONCE, "-o", f"{name}.h5")
        run("query", f"{name}.h5", "queries.h5", ONCE, "-o", f"{name}.jsonl")
    for suffix in ("h5", "jsonl"):
        assert Path(f"a.{suffix}").read_bytes() == Path(f"b.{suffix}").read_bytes()


def test_standard_output(capfdbinary):
    run("query", "index.h5", "queries.h5", ONCE, "-o", "-")
    lines = capfdbinary.readouterr().out.splitlines()
    assert len(lines) == 61
    assert json.loads(lines[0])["kind"] == "predictions"


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--find", "parents"], 2, "is an index of entities: --find does not apply"),
        (["--by", "angle"], 2, "is an index of entities: --by does not apply"),
        (["--exclude", "none"], 2, "is an index of entities: --exclude does not apply"),
        (["--exact"], 2, "is an index of entities: --exact does not apply"),
        (["--format", "h5"], 2, "is an index of entities: --format does not apply"),
        (["--method", "exact", "--beam", "3"], 2, "--method exact: --beam does not apply"),
        (["--method", "flat", "--score", "ip"], 2, "--method flat: --score does not apply"),
        (["-o", "index.h5"], 5, "is there already"),
    ],
)
def test_options_that_do_not_apply(capsys, arguments, code, problem):
    found = refused(capsys, "query", "index.h5", "queries.h5", *arguments)
    assert found[0] == code
    assert problem in found[1]


def test_embeddings_of_another_encoder_or_size(capsys):
    code, said = refused(capsys, "query", "index.h5", "other.h5")
    assert code == 3
    assert "other.h5: is of the encoder made (bbbbbbbbbbbb), index.h5 of made (0000" in said
    code, said = refused(capsys, "query", "index.h5", "wide.h5")
    assert code == 3
    assert "wide.h5: has 17 dimensions (made), index.h5 takes 16" in said


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["entities.h5", "--method", "flat"], 2, "is of entities: --method does not apply"),
        (["entities.h5", "--append"], 2, "is of entities: --append does not apply"),
        (["queries.h5", "--truth", "t.csv"], 2, "is of embeddings: --truth does not apply"),
        (["entities.h5", "queries.h5"], 2, "are entities: give no other input"),
        (["entities.h5", "--truth", "t.csv"], 2, "--calibrate and --truth go together"),
        (["missing.h5"], 3, "missing.h5: no such file"),
        (["queries.h5", "--model", "model.h5"], 3, "is a model of geo"),
    ],
)
def test_what_index_refuses(capsys, arguments, code, problem):
    found = refused(capsys, "index", *arguments, "-o", "x.h5")
    assert found[0] == code
    assert problem in found[1]
    assert not Path("x.h5").exists()


def test_index_refuses_what_does_not_belong_together(capsys, tmp_path):
    other = Geography(branching=(3, 3, 4))
    write_entities(Path("o.h5"), other.entities, other.members, chain=[], overwrite=False)
    code, said = refused(capsys, "index", "o.h5", "--model", "model.h5", "-o", "x.h5")
    assert (code, said.endswith("was trained on other entities than those of o.h5")) == (3, True)
    material.save_model(Path("parts.h5"), geometry="lorentz")
    code, said = refused(capsys, "index", "entities.h5", "--model", "parts.h5", "-o", "x.h5")
    assert (code, "is a model of parts; entities need one from train geo" in said) == (3, True)
    bare = Geography()
    write_entities(Path("n.h5"), bare.without_embeddings(), bare.members, chain=[], overwrite=False)
    code, said = refused(capsys, "index", "n.h5", "-o", "x.h5")
    assert (code, "has no image embeddings" in said) == (3, True)
    Path("t.csv").write_text("id,country,region,city\nnobody,fr,n3,n12\n")
    arguments = ("--calibrate", "queries.h5", "--truth", "t.csv")
    code, said = refused(capsys, "index", "entities.h5", *arguments, "-o", "x.h5")
    assert (code, "t.csv: has none of the ids of queries.h5" in said) == (3, True)


def test_a_node_without_a_mean_image(capsys):
    world = Geography()
    sums = world.entities.image_sums.copy()
    sums[[5, 5 + len(world.entities)]] = 0
    entities = replace(world.entities, image_sums=sums)
    write_entities(Path("e.h5"), entities, world.members, chain=[], overwrite=False)
    code, said = refused(capsys, "index", "e.h5", "-o", "x.h5")
    assert code == 3
    assert "the region 'n0/n5' has no mean image embedding" in said


def test_parts_indexes_refuse_options_of_entities(capsys):
    material.save_embeddings(Path("p.h5"), material.table(range(5)))
    run("index", "p.h5", "-o", "plain.h5")
    for option, value in (("--method", "flat"), ("--locate", "geoscore"), ("--threshold", "0.1")):
        code, said = refused(capsys, "query", "plain.h5", "p.h5", option, value)
        assert code == 2
        assert f"plain.h5 is an index of embeddings: {option} does not apply" in said


def test_an_untrained_model_of_each_geometry(tmp_path):
    from hiertools.files.model import write_model

    world = Geography(missing=0.3)
    for geometry in ("euclidean", "sphere"):
        model = model_of(world.entities, geometry=geometry, attention=False)
        write_model(Path(f"{geometry}-m.h5"), model, chain=[], overwrite=False)
        write_entities(
            Path(f"{geometry}-e.h5"), world.entities, world.members, chain=[], overwrite=False
        )
        run("index", f"{geometry}-e.h5", "--model", f"{geometry}-m.h5", "-o", f"{geometry}.h5")
        for method in ("beam", "flat", "exact"):
            run("query", f"{geometry}.h5", "queries.h5", "--method", method, "--overwrite")
            assert len(predictions()[1]) == 60


def test_photographs_go_from_folders_to_places(capsys):
    """Images are embedded by the encoder of the index; the ones that it was built of come back."""
    rng = np.random.default_rng(0)
    Path("photos").mkdir()
    colours = {"a": (200, 30, 30), "b": (30, 200, 30), "c": (30, 30, 200)}
    for name, colour in colours.items():
        noise = rng.integers(-20, 20, (32, 32, 3))
        Image.fromarray((np.array(colour) + noise).astype(np.uint8)).save(f"photos/{name}.png")
    Path("t.csv").write_text(
        "id,latitude,longitude,country,city\n"
        "a,48.8,2.3,FR,Paris\nb,45.7,4.8,FR,Lyon\nc,40.7,-74.0,US,New York\n"
    )
    encoder = ("--encoder", "timm:test_efficientnet,random=true", "--workers", "0")
    run("embed", "photos", *encoder, "-o", "photos.h5")
    levels = ("--levels", "country,city")
    run("build-entities", "t.csv", "--embeddings", "photos.h5", *levels, "-o", "e.h5")
    run("index", "e.h5", "-o", "i.h5")
    run("query", "i.h5", "photos", "--score", "last", "-k", "1")
    header, found = predictions()
    assert header["levels"] == ["country", "city"]
    assert [(each.id, each.path[-1].name) for each in found] == [
        ("a", "Paris"), ("b", "Lyon"), ("c", "New York")
    ]  # fmt: skip
    assert [step.key for step in found[2].path] == ["us", "us/new york"]
    assert (found[2].latitude, found[2].longitude) == pytest.approx((40.7, -74.0))
    Path("photos/d.png").write_bytes(b"no picture")
    code = main(["query", "i.h5", "photos", "--overwrite", "-q"])
    assert (code, len(predictions()[1])) == (4, 3)
    assert "1 images could not be used, such as photos/d.png" in capsys.readouterr().err
