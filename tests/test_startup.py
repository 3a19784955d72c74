"""`--help` and completion import nothing heavy; what the program says of itself."""

import re
import subprocess
import sys

import pytest

from hiertools.cli import COMMANDS

HEAVY = (
    "torch", "numpy", "h5py", "faiss", "timm", "polars", "scipy", "numba", "PIL", "open_clip",
    "matplotlib",
)  # fmt: skip
PROGRAM = f"""
import sys
from hiertools.cli import main
code = main()
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print("loaded:", *loaded, file=sys.stderr)
sys.exit(code)
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_light(command):
    result = run(*command.split(), "--help")
    assert result.returncode == 0
    assert result.stderr == "loaded:\n"
    assert f"Usage: hiertools {command}" in result.stdout.replace("-c ", "hiertools ")


@pytest.mark.parametrize(
    ("command", "option"),
    [("rerank", "--method"), ("train parts", "--loss"), ("embed", "--encoder")],
)
def test_options_of_members_are_not_broken_in_the_help(command, option):
    text = run(*command.split(), "--help", COLUMNS="80").stdout
    entry = text.partition(f"\n  {option} SPEC")[2].partition("\n  -")[0]
    whole = re.findall(r"\[[:,][a-z0-9_]+=…\]", entry)
    assert len(whole) > 2
    assert len(whole) == entry.count("…") == entry.count("=")


def test_help_is_light_and_lists_every_command():
    result = run("--help")
    assert (result.returncode, result.stderr) == (0, "loaded:\n")
    for command in COMMANDS:
        assert f"\n  {command.partition(' ')[0]} " in result.stdout


def test_version_is_light():
    result = run("--version")
    assert (result.returncode, result.stderr) == (0, "loaded:\n")
    assert result.stdout.startswith("hiertools ")


def test_no_arguments_is_a_usage_error_that_shows_the_help():
    result = run()
    assert result.returncode == 2
    assert "Commands:" in result.stdout


@pytest.mark.parametrize(
    ("words", "place", "wanted"),
    [("hiertools mine", 1, "mine-hierarchy"), ("hiertools embed --enc", 2, "--encoder")],
)
def test_completion_is_light(words, place, wanted):
    result = run(_HIERTOOLS_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(place))
    assert wanted in result.stdout
    assert not any(f" {name}" in result.stderr for name in HEAVY)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "hiertools: No such command 'nonsense'; see 'hiertools --help'"),
        (["info"], "hiertools info: Missing argument 'FILE…'; see 'hiertools info --help'"),
        (["info", "--jsn", "x"], "hiertools info: No such option: --jsn"),
    ],
)
def test_a_usage_error_is_one_line(arguments, message):
    result = run(*arguments)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if not line.startswith("loaded:")]
    assert len(lines) == 1
    assert lines[0].startswith(message)


def test_debug_shows_where_an_error_came_from(tmp_path):
    missing = str(tmp_path / "missing")
    assert "Traceback" not in run("info", missing).stderr
    assert "Traceback" in run("--debug", "info", missing).stderr
    assert "Traceback" in run("info", "--debug", missing).stderr
