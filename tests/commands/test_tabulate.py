"""`hiertools tabulate`: options, defaults, output and what is refused."""

import json

import pytest

from tests.metrics_made import row, save


@pytest.fixture
def run(hier, tmp_path):
    for loss, seed, top in (("hxe", 0, 0.5), ("hxe", 1, 0.75), ("ce", 0, 0.25), ("ce", 1, 0.5)):
        tags = {"loss": loss, "seed": str(seed)}
        tables = {"training": [{"from": 0, "to": 9, "accuracy": top}, {"from": 10, "accuracy": 1}]}
        save(tmp_path / f"{loss}{seed}.json", tags, [row("top-1", top, chance=0.125)], tables)
        rows = [row("map", top / 2)]
        save(tmp_path / f"{loss}{seed}-r.json", tags, rows, task="retrieval")
    save(tmp_path / "plain.json", None, [row("top-1", 0.5)])

    def run(*arguments, stdin=b""):
        return hier("tabulate", *arguments, cwd=tmp_path, stdin=stdin)

    return run


ALL = [f"{loss}{seed}{more}.json" for loss in ("hxe", "ce") for seed in "01" for more in ("", "-r")]


def test_all_metrics_by_all_tags(run):
    done = run(*ALL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "loss  seed  top-1    map",
        "----  ----  -----  -----",
        "hxe   0     0.500  0.250",
        "hxe   1     0.750  0.375",
        "ce    0     0.250  0.125",
        "ce    1     0.500  0.250",
    ]


def test_means_over_seeds(run):
    done = run(*ALL, "--mean-over", "seed", "--columns", "top-1,map", "--digits", "2")
    assert done.stdout.splitlines()[2:] == [
        "hxe   0.62 ± 0.18  0.31 ± 0.09",
        "ce    0.38 ± 0.18  0.19 ± 0.09",
    ]


def test_a_table_across_its_rows(run):
    arguments = ("--table", "training", "--columns", "accuracy", "--across", "from")
    done = run("hxe0.json", "ce0.json", "--rows", "loss", *arguments, "--format", "markdown")
    assert done.stdout.splitlines() == [
        "| loss | accuracy from=0 | accuracy from=10 |",
        "| --- | ---: | ---: |",
        "| hxe | 0.500 | 1.000 |",
        "| ce | 0.250 | 1.000 |",
    ]


def test_standard_input_and_a_file(run, tmp_path):
    stdin = (tmp_path / "plain.json").read_bytes()
    done = run("-", "hxe0.json", "--rows", "file", "--format", "json", stdin=stdin)
    assert json.loads(done.stdout)["rows"] == [
        {"file": "standard input", "top-1": 0.5}, {"file": "hxe0.json", "top-1": 0.5},
    ]  # fmt: skip
    assert run("plain.json", "--format", "csv", "-o", "t.csv").stdout == ""
    assert (tmp_path / "t.csv").read_text() == "file,top-1\nplain.json,0.5\n"
    assert run("plain.json", "-o", "t.csv").returncode == 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["hxe0.json", "hxe1.json", "--rows", "loss"], 3, "for the same row as hxe0.json"),
        (["hxe0.json", "--rows", "los"], 2, "--rows los: no file has it; there are file, loss"),
        (["hxe0.json", "--rows", "loss,"], 2, "--rows loss,: write names with commas between"),
        (["hxe0.json", "--rows", "loss", "--across", "loss"], 2, "loss: has two parts to play"),
        (["hxe0.json", "--columns", "top-5"], 3, "no file has the metric 'top-5'"),
        (["hxe0.json", "--table", "depth"], 3, "hxe0.json: has no table 'depth'"),
        (["none.json"], 3, "none.json: no such file"),
    ],
)
def test_what_is_refused(run, arguments, code, message):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
