"""`hiertools plot sweep`: pictures that have what the runs say, and what is refused."""

import re

import numpy as np
import pytest
from PIL import Image

from tests.metrics_made import row, save


@pytest.fixture
def run(hier, tmp_path):
    """Runs over balance x margin, over decay, and of two seeds."""
    settings = [(b, m, "0.3") for b in ("0.1", "0.5", "0.9") for m in ("0.1", "0.2")]
    settings += [("0.5", "0.2", a) for a in ("0.1", "0.5")]
    for i, (balance, margin, decay) in enumerate(settings):
        for seed in "01":
            tags = {"balance": balance, "margin": margin, "decay": decay, "seed": seed}
            top = 0.125 * i + 0.01 * int(seed)
            rows = [row("top-1", top), row("map", top / 2)]
            save(tmp_path / f"{i}-{seed}.json", tags, rows)
    save(tmp_path / "other.json", {"loss": "ce"}, [row("top-1", 0.5)])

    def run(*arguments):
        names = sorted(path.name for path in tmp_path.glob("*-*.json"))
        return hier("plot", "sweep", *(names if "other.json" not in arguments else ()), *arguments,
                    cwd=tmp_path)  # fmt: skip

    return run


def texts(path):
    return re.findall(r"<text [^>]*>([^<]*)</text>", path.read_text())


def test_a_picture_has_a_panel_for_each_tag_and_a_grid(run, tmp_path):
    done = run("--mean-over", "seed", "-o", "s.svg")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == "s.svg: top-1, map of 16 files over balance, margin, decay\n"
    said = texts(tmp_path / "s.svg")
    assert said.count("top-1") == said.count("map") == 3
    assert said.count("decay") == 2
    assert "top-1, decay 0.3" in said
    assert said.count("balance") == 2 + 2 + 2  # its panels, the legends over margin, the grids
    assert "0.63" in said  # the mean of balance 0.9, margin 0.2: 0.625 and 0.635


def test_the_same_runs_give_the_same_bytes(run, tmp_path):
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        assert run("--mean-over", "seed", "-o", name).returncode == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.std() > 10
    assert (pixels < 128).any(axis=0).sum() > pixels.shape[1] / 2


def test_tags_and_grid_can_be_chosen(run, tmp_path):
    chosen = ("--tags", "decay", "--grid", "none", "--metrics", "map")
    assert run("--mean-over", "seed", *chosen, "-o", "s.svg").returncode == 0
    said = texts(tmp_path / "s.svg")
    assert "balance" not in said
    chosen = ("--tags", "decay", "--grid", "decay,margin", "--metrics", "map")
    assert run("--mean-over", "seed", *chosen, "-o", "g.svg").returncode == 0
    assert "map, balance 0.5" in texts(tmp_path / "g.svg")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "s.jpg"], 2, "s.jpg: name a file with -o that ends with .png, .svg, .pdf"),
        (["-o", "s.png"], 3, "has top-1 for the same row as") ,
        (["--mean-over", "seed", "--metrics", "top-5"], 3, "no file has the metric 'top-5'"),
        (["--mean-over", "sed"], 2, "--mean-over sed: no file has it"),
        (["--mean-over", "seed", "--tags", "loss"], 2, "--tags loss: has not got several values"),
        (["--mean-over", "seed", "--grid", "decay"], 2, "--grid decay: write two tags"),
        (["other.json", "--metrics", "top-1"], 3, "no tag has several values"),
    ],
)  # fmt: skip
def test_what_is_refused(run, tmp_path, arguments, code, message):
    if arguments == ["-o", "s.png"]:
        (tmp_path / "0-2.json").write_text((tmp_path / "0-0.json").read_text())
        arguments = ["--mean-over", "seed", *arguments]
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("s.*"))
