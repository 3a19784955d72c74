"""What is documented is what there is: commands, options, files, exit codes."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import typer

from hiertools import cli, errors
from hiertools.files import checkpoint, kinds, log, model, results
from hiertools.files.embeddings import read_embeddings
from hiertools.files.hierarchy import Dropped, Edge, Hierarchy, Node, write_hierarchy
from hiertools.training import geo_plan
from tests import entities_made
from tests.files import (
    test_class_predictions,
    test_entity_index,
    test_graph,
    test_index,
    test_masks,
    test_metrics,
    test_model,
    test_predictions,
    test_results,
    test_verified,
)
from tests.models import classes_made
from tests.training import test_geo

ROOT = Path(__file__).parent.parent
MAN = ROOT / "man"
PAGES = sorted(path.name for path in MAN.glob("hiertools*"))
FONT = re.compile(r"\\f[BIRP]|\\[|&%:]")
ESCAPES = {r"\-": "-", r"\(aq": "'", r"\(dq": '"', r"\ ": " ", r"\e": "\\"}

# Under these keys are names that hiertools does not choose, the options of a command, or what a
# page of an evaluation describes.
FREE = {"options", "libraries", "preprocess", "counts", "tables"}
BY_METHOD = {"explained"}  # under it are methods, and what each has said
GROUPS = {"weights", "encoder", "head", "arrays"}
TYPES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "text",
    list: "list",
    dict: "object",
    type(None): "null",
}
COLUMNS = (
    "id,image,labels,x0,y0,x1,y1,latitude,longitude,occluded,truncated,group_of,depiction,inside"
)


def source(name: str) -> str:
    return (MAN / name).read_text(encoding="ascii")


def plain(roff: str) -> str:
    """Return roff text without its fonts and escapes."""
    text = FONT.sub("", roff)
    for escape, meant in ESCAPES.items():
        text = text.replace(escape, meant)
    return text


def sections(name: str) -> dict[str, str]:
    """Return the text of each section of a page, by title."""
    parts = (part.partition("\n") for part in plain(source(name)).split("\n.SH ")[1:])
    return {title: text for title, _, text in parts}


def tags(text: str) -> list[str]:
    """Return the tags of the entries in a text, as they are printed."""
    return [printed(line) for line in re.findall(r"^\.T[PQ]\n(.+)$", text, re.MULTILINE)]


def printed(line: str) -> str:
    """Return what `.BR name " (type)"` and the like print."""
    if not line.startswith("."):
        return line
    return "".join(quoted or word for quoted, word in re.findall(r'"([^"]*)"|(\S+)', line[3:]))


def examples(name: str) -> list[str]:
    return re.findall(r"^\.EX\n(.*?)^\.EE", source(name), re.MULTILINE | re.DOTALL)


@cache
def command(name: str) -> Any:
    found: Any = typer.main.get_command(cli.build(name))
    for word in name.split():
        found = found.commands[word]
    return found


def page(name: str) -> str:
    return f"hiertools-{name.replace(' ', '-')}.1"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_a_command_has_help_a_page_and_a_row_in_the_readme(name):
    summary = command(name).help.partition("\n")[0]
    assert summary.endswith(".")
    assert cli._summary(name) == summary  # read from the source, where another command runs
    title = page(name).removesuffix(".1")
    assert sections(page(name))["NAME"].startswith(f"{title} - ")
    assert f"{title}(1)" in tags(sections("hiertools.1")["COMMANDS"])
    assert f"| `{name}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_argument_and_option_has_help_and_is_in_the_page(name):
    entries = "\n".join(tags(sections(page(name))["OPTIONS"]))
    parameters = command(name).params
    assert parameters
    for each in parameters:
        assert each.help, each.name
        is_option = each.param_type_name == "option"
        for spelled in each.opts if is_option else [each.metavar.strip("[]…")]:
            assert re.search(rf"(^|, ){spelled}($|,| )", entries, re.MULTILINE), spelled


def test_what_is_generated_in_the_pages_is_up_to_date():
    made = [sys.executable, str(MAN / "make.py"), "--check"]
    result = subprocess.run(made, capture_output=True, text=True, check=False)
    assert result.stdout + result.stderr == ""
    assert result.returncode == 0


def test_a_synopsis_says_a_command_once():
    for name in PAGES:
        synopsis = source(name).partition(".SH SYNOPSIS\n")[2].partition(".SH ")[0]
        before, marker, _ = synopsis.partition('.\\" synopsis: begin\n')
        assert not marker or not before, name


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("device", ["utf8", "ascii"])
@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_say_about_a_page(name, device):
    lint = ["groff", "-man", "-ww", f"-T{device}", str(MAN / name)]
    result = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.returncode == 0
    assert len(result.stdout) > 1000


@pytest.mark.parametrize("name", PAGES)
def test_examples_can_be_copied(name):
    """Groff prints a bare - ' ` ^ ~ as another character, for print."""
    for example in examples(name):
        assert not re.search(r"(?<!\\)-|['`^~]", example), example


@pytest.mark.parametrize("name", PAGES)
def test_examples_use_commands_and_options_that_there_are(name):
    assert_commands_are_there(plain("\n".join(examples(name))))


def test_the_readme_uses_commands_and_options_that_there_are():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert sum("hiertools " in block for block in blocks) > 1
    assert_commands_are_there("\n".join(blocks))


def assert_commands_are_there(text: str) -> None:
    verbs = "|".join(sorted(cli.COMMANDS, key=len, reverse=True))
    lines = text.replace("\\\n", " ")
    for verb, rest in re.findall(rf"\bhiertools ({verbs})\b(?!:)([^|;\n]*)", lines):
        known = {spelled for each in command(verb).params for spelled in each.opts}
        used = re.findall(r"(?<= )--?[a-z][a-z-]*", rest.partition("   ")[0])
        assert set(used) <= known, rest


def test_every_exit_code_is_in_the_page():
    codes = {value for name, value in vars(errors).items() if name.isupper()}
    listed = {int(tag) for tag in tags(sections("hiertools.1")["EXIT STATUS"])}
    assert codes == listed


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """A small file of each kind, with every key, dataset and column that there can be."""
    folder = tmp_path_factory.mktemp("files")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return of_every_kind(folder)


def of_every_kind(folder: Path) -> list[Path]:
    """Write the files; commands run in this process, as what they write is looked at alone."""

    def run(*arguments: str) -> None:
        assert cli.main(list(arguments)) == 0

    run("sample", "scenes", "--images", "4", "--size", "32")
    boxes = "scenes/train-annotations-bbox.csv"
    run("mine-hierarchy", boxes, "--freq", "2", "--pairs", "pairs.h5", "-o", "tree.json")
    run("mine-hierarchy", boxes, "--shard", "0/2", "-o", "counts.json")
    write_hierarchy(folder / "levels.json", with_levels(), chain=[], overwrite=False)
    image = next((folder / "scenes/train").iterdir())
    (folder / "images.txt").write_text(f"{image}\nmissing.jpg\n")
    encoder = ("--encoder", "timm:test_resnet,random=true", "--workers", "0")
    run("embed", "images.txt", *encoder, "--max-bad", "1", "-o", "images.h5")
    np.save(folder / "vectors.npy", np.ones((1, 2)))
    (folder / "ids.txt").write_text("a\n")
    (folder / "table.csv").write_text(f"{COLUMNS}\na,a,b|c,0,0,1,1,48,16,0,0,1,0,0\n")
    run(
        "embed", "--from", "vectors.npy", "--ids", "ids.txt", "--table", "table.csv", "-o", "all.h5"
    )
    names = ("scenes/hierarchy.json", "tree.json", "levels.json", "counts.json", "pairs.h5")
    (folder / "kinds.csv").write_text("kind,class\nfish,ray\nfish,cod\n")
    of_levels = ("--distances", "distances.h5", "--root", "all", "-o", "kinds.json")
    run("build-taxonomy", "table", "kinds.csv", *of_levels)
    names = (*names, "kinds.json", "distances.h5")
    made = [folder / name for name in (*names, "images.h5", "all.h5", "images.h5.rejects.jsonl")]
    made += [*of_entities(folder, run), *of_training(folder), *of_search(folder)]
    return [*made, *of_reranking(folder, run)]


def of_entities(folder: Path, run: Callable[..., None]) -> list[Path]:
    """Write entities with all that there can be and with as little, and parts of both."""
    header = "id,latitude,longitude,country,city"
    rows = ["a,48,16,AT,Wien", "b,47,11,,Hall", "c,35,139,JP,", "d,35,139,,", "e,1,2,AT,Linz"]
    (folder / "m.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "t.csv").write_text("id,kind\na,x\nb,y\n")
    (folder / "p.csv").write_text("lat,lon,name,admin1,admin2,cc\n47,11,,,,AT\n")
    np.save(folder / "four.npy", np.eye(4, dtype=np.float32))
    (folder / "four.txt").write_text("a\nb\nc\nd\n")
    run("embed", "--from", "four.npy", "--ids", "four.txt", "-o", "four.h5")
    places = ("build-entities", "m.csv", "--levels", "country,city", "--embeddings", "four.h5")
    run(*places, "--geocode", "p.csv", "-o", "filled.h5")
    run(*places, "--shard", "0/2", "-o", "part.h5")
    run(*places, "-o", "plain.entities.h5")
    kinds_of = ("build-entities", "t.csv", "--levels", "kind")
    run(*kinds_of, "-o", "taxonomy.h5")
    run(*kinds_of, "--shard", "0/2", "-o", "taxonomy.part.h5")
    entities_made.save(folder / "text.h5", t=2)
    names = ("filled", "part", "plain.entities", "taxonomy", "taxonomy.part", "text")
    return [folder / f"{name}.h5" for name in names]


def of_training(folder: Path) -> list[Path]:
    """Write a model, a checkpoint and a log as a training does."""
    training = {"options": {"epochs": 1}, "config": "0" * 64, "pairs": 3, "steps": 2}
    state = {"weight": np.ones(2, np.float32), "steps": np.array(3)}
    meta = test_model.META | {"training": training}
    found = model.Model("parts", test_model.weights(), state, meta)
    model.write_model(folder / "model.h5", found, chain=[], overwrite=False)
    meta = {"step": 3, "losses": [0.5, 1], "config": "0" * 64}
    arrays = {"parameter/log_c": np.float32(1)}
    checkpoint.write_checkpoint(folder / "checkpoint.h5", arrays, meta, chain=[])
    line = {
        "step": 3, "epoch": 1, "loss": 0.5, "tau": 0.07, "c": 1.0, "alpha": 0.1,
        "sqrt_c_norm": [0.1, 0.5, 0.9], "saturated": 0.0, "rows_per_second": 10.0,
    }  # fmt: skip
    log.LogWriter(folder / "log.jsonl", {"config": "0" * 64}, keep_until_step=None).write(line)
    names = ("model.h5", "checkpoint.h5", "log.jsonl")
    return [*(folder / name for name in names), *of_geo_training(folder), *of_classes(folder)]


def of_geo_training(folder: Path) -> list[Path]:
    """Write what `train geo` does; a checkpoint within a window of steps."""
    job = test_geo.Job(entity_refresh=3)
    job.run()
    arrays, meta = job.state.arrays(), {**job.state.meta(), "config": "0" * 64}
    checkpoint.write_checkpoint(folder / "geo.checkpoint.h5", arrays, meta, chain=[])
    found = geo_plan.model_file(job.plan, job.material, job.state, "0" * 64)
    model.write_model(folder / "geo.h5", found, chain=[], overwrite=False)
    made = log.LogWriter(folder / "geo.jsonl", {"config": "0" * 64}, keep_until_step=None)
    made.write(job.lines[-1])
    return [folder / name for name in ("geo.h5", "geo.checkpoint.h5", "geo.jsonl")]


def of_classes(folder: Path) -> list[Path]:
    """Write models of classes with a hidden layer and without, and a log."""
    found = classes_made.model(related={"rule": "depth", "at": 1, "share": 0.0})
    model.write_model(folder / "classes.h5", found, chain=[], overwrite=False)
    bare = {name: w for name, w in classes_made.weights().items() if "classifier" in name}
    nothing = {"rule": None, "at": None, "share": 0.0}
    meta = classes_made.meta(hidden=None, features=2, related=nothing)
    found = model.Model("classes", bare, {}, meta)
    model.write_model(folder / "bare.classes.h5", found, chain=[], overwrite=False)
    line = {
        "step": 3, "epoch": 1, "loss": 0.5, "accuracy": 0.5, "cross_entropy": 0.4,
        "hierarchy": 0.1, "related": 0.3, "held_out": 0.4, "rows_per_second": 10.0,
    }  # fmt: skip
    made = log.LogWriter(folder / "c.jsonl", {"config": "0" * 64}, keep_until_step=None)
    made.write(line)
    made.write({**line, "accuracy": None})
    return [folder / name for name in ("classes.h5", "bare.classes.h5", "c.jsonl")]


def of_search(folder: Path) -> list[Path]:
    """Write an index with and without a model, results and metrics."""
    structure = {"library": "faiss", "lists": 2, "links": 32, "ef": 40, "seed": 0}
    table = read_embeddings(folder / "all.h5").items
    places = {"points": test_index.POINTS[:1], "table": table}
    test_index.save(folder / "index.h5", **places, structure=structure)
    plain = {"head": {}, "graph": b"", **test_index.PLAIN, "structure": {}, "method": "exact"}
    test_index.save(folder / "plain.h5", **places, **plain)
    header = {
        "index": "0" * 64, "by": "angle", "find": "parents", "k": 3, "sort": "norm",
        "parent_score": "ext", "max_angle": 0.5, "exclude": "self", "only": "any",
        "method": "ivf", "oversample": 4, "probes": 16, "ef": 64,
    }  # fmt: skip
    for form in ("jsonl", "h5"):
        results.write_results(
            folder / f"results.{form}", header, test_results.RANKINGS, format=form, chain=[],
            overwrite=False,
        )  # fmt: skip
    found = replace(test_metrics.found(test_metrics.ROW, test_metrics.PLACES), parameters={})
    test_metrics.save(folder / "metrics.json", found)
    test_graph.save(folder / "graph.h5")
    names = ("index.h5", "plain.h5", "results.jsonl", "results.h5", "metrics.json", "graph.h5")
    return [*(folder / name for name in names), *of_places(folder)]


def of_places(folder: Path) -> list[Path]:
    """Write indexes of entities and predictions, each with a temperature and without."""
    test_entity_index.save(folder / "places.h5")
    test_entity_index.save(folder / "zero.h5", test_entity_index.BARE)
    asked = {
        **test_predictions.HEADER, "score": "energy", "beam": 10, "temperature": 0.5,
        "threshold": 0.5, "locate": "centroid",
    }  # fmt: skip
    test_predictions.save(folder / "p.jsonl", header=asked)
    test_predictions.save(folder / "raw.jsonl", header={**asked, "temperature": None})
    names = ("places.h5", "zero.h5", "p.jsonl", "raw.jsonl")
    return [*(folder / name for name in names), *of_classified(folder)]


def of_classified(folder: Path) -> list[Path]:
    """Write predictions of classes, with all that rules and calibration say, and with little."""
    asked = {
        **test_class_predictions.HEADER, "rule": "ancestor", "model": "0" * 64, "temperature": 1.5,
        "threshold": 0.25, "coverage": 0.9, "distance": "path", "decay": 0.3, "influence": 0.3,
        "steps": 1, "restart": 0.3,
        "calibration": {
            "items": 2, "nll": [0.5, 0.25], "ece": [0.1, 0.0], "covering_items": 2, "covered": 1.0
        },
    }  # fmt: skip
    risky = test_class_predictions.prediction(costs=[1.0, 1.5])
    test_class_predictions.save(folder / "classes.jsonl", [risky], header=asked)
    test_class_predictions.save(folder / "bare.jsonl")
    return [folder / "classes.jsonl", folder / "bare.jsonl"]


def of_reranking(folder: Path, run: Callable[..., None]) -> list[Path]:
    """Write local features, verified pairs, masks, and results that were re-ranked."""
    run("embed", "--local", "images.txt", "--workers", "0", "--max-bad", "1", "-o", "local.h5")
    test_verified.save(folder / "verified.h5")
    test_masks.save(folder / "masks.jsonl")
    told: dict[str, Any] = {
        "spatial": {"inliers": 6, "tentative": 9, "matches": [[1.0, 2.0, 3.0, 4.0]]},
        "topological": {
            "features": 4, "tentative": 5, "matches_total": 4,
            "regions": [{"features": 4, "left": [], "right": [], "matches": []}],
        },
        "diffusion": {"path": ["q", "a"]},
        "superglobal": {"neighbours": ["b"]},
        "k-reciprocal": {"jaccard": 0.5, "cosine": 0.5},
    }  # fmt: skip
    ranking = replace(
        test_results.ranking(), reranked=("spatial", "topological"),
        initial=np.array([0.5, np.nan]), explained=[told, None],
    )  # fmt: skip
    header = {"index": "0" * 64, "reranked": [{"method": "spatial"}, {"method": "topological"}]}
    for form in ("jsonl", "h5"):
        results.write_results(
            folder / f"reranked.{form}", header, [ranking, *test_results.RANKINGS[1:]],
            format=form, chain=[], overwrite=False,
        )  # fmt: skip
    names = ("local.h5", "verified.h5", "masks.jsonl", "reranked.jsonl", "reranked.h5")
    return [folder / name for name in names]


def with_levels() -> Hierarchy:
    edge = ("a", "b", 3, 2, 0.5)
    return Hierarchy(
        nodes=[Node("a", "A", "top", 4), Node("b", "B", "low", 3)],
        edges=[Edge(*edge)],
        leaves=["b"],
        dropped=[Dropped("b", "a", 1, 1, 0.25, "cycle")],
        source={"format": "coco", "files": ["boxes.json"]},
        parameters={},
        statistics={},
        distance="path",
    )


def test_every_kind_is_written_and_described(files):
    assert {kinds.header(path)[0] for path in files} == set(kinds.KINDS)
    for kind in kinds.KINDS:
        assert kind.upper() in sections("hiertools-files.5")
        assert any(
            tag.startswith(f"{kind} (")
            for tag in tags(sections("hiertools-files.5")["DESCRIPTION"])
        )


def test_every_key_dataset_and_attribute_is_described_with_its_type(files):
    for path in files:
        described = entries(kinds.header(path)[0])
        there = set(in_hdf5(path) if path.suffix == ".h5" else in_json(path.read_text()))
        assert len(there) > 2
        assert there <= described, f"{path.name}: {sorted(there - described)}"


def entries(kind: str) -> set[tuple[str, str]]:
    """Return names and types that the page describes for a kind of file."""
    page = sections("hiertools-files.5")
    text = [page[title] for title in ("COMMON PARTS", "THE ITEM TABLE", kind.upper())]
    found = (re.match(r"(\S+) \((\w+)", tag) for tag in tags("\n".join(text)))
    return {(match[1], match[2]) for match in found if match}


def in_json(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and types of all keys of a document, or of those on every line."""
    lines = text.splitlines() if text.startswith('{"') else [text]
    for line in lines:
        yield from keys(json.loads(line))


def keys(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, TYPES[type(inner)]
            if key in BY_METHOD:
                yield from keys(list(inner.values()))
            elif key not in FREE:
                yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def in_hdf5(path: Path) -> Iterator[tuple[str, str]]:
    """Yield names and types of all attributes and datasets, and of the keys in their JSON."""
    found: list[tuple[str, str]] = []

    def visit(name: str, item: Any) -> None:
        found.extend((key, TYPES[int]) for key in item.attrs if name)
        if isinstance(item, h5py.Dataset):
            group = name.partition("/")[0]
            place = f"{group}/NAME" if group in GROUPS else name
            found.append((place, "text" if item.dtype.kind == "S" else str(item.dtype)))
        if name in ("meta", "provenance"):
            found.extend(in_json(item[:].tobytes().decode()))

    with h5py.File(path) as file:
        assert set(file.attrs) == {"kind", "version"}
        file.visititems(visit)
    return iter(found)
