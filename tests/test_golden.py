"""Commands whose output is known: golden/CASE has `cmd`, its inputs and what it must give.

expected.stdout and expected.stderr are always there, expected.code where it is not 0, and
expected/ where the command writes JSON files. `pytest tests/test_golden.py --regenerate`
writes all of them anew and shows what changed.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/cmd"))


def normal(text):
    """JSON with sorted keys, floats of 6 decimals and no provenance; other text as it is."""
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return json.dumps(plain(document), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key != "provenance"}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return round(value, 6) if isinstance(value, float) else value


def run(case, folder):
    """Run a case in a copy of its folder; return what it gives, by the name of the golden."""
    shutil.copytree(GOLDEN / case, folder, ignore=shutil.ignore_patterns("expected*"))
    before = set(folder.rglob("*"))
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-eu", "cmd"],
        cwd=folder,
        env={**os.environ, "PATH": programs},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    found = {
        "expected.stdout": normal(done.stdout.decode()),
        "expected.stderr": done.stderr.decode(),
    }
    if done.returncode:
        found["expected.code"] = f"{done.returncode}\n"
    for path in sorted(set(folder.rglob("*.json")) - before):
        found[f"expected/{path.relative_to(folder)}"] = normal(path.read_text(encoding="utf-8"))
    return found


def expected(case):
    folder = GOLDEN / case
    paths = [path for path in folder.rglob("*") if path.is_file()]
    names = [(str(path.relative_to(folder)), path) for path in paths]
    return {name: path.read_text("utf-8") for name, path in names if name.startswith("expected")}


def regenerate(case, found):
    """Write the goldens of a case and return what changed."""
    lines = []
    known = expected(case)
    for name in sorted(known.keys() | found.keys()):
        old, new = (texts.get(name, "").splitlines(keepends=True) for texts in (known, found))
        lines += difflib.unified_diff(old, new, f"old/{case}/{name}", f"new/{case}/{name}")
        path = GOLDEN / case / name
        if name in found:
            path.parent.mkdir(exist_ok=True)
            path.write_text(found[name], encoding="utf-8")
        else:
            path.unlink()
    return "".join(lines)


@pytest.mark.parametrize("case", CASES)
def test_golden(case, tmp_path, request, capsys):
    found = run(case, tmp_path / case)
    if request.config.getoption("--regenerate"):
        with capsys.disabled():
            print(f"\n{regenerate(case, found)}", end="")
    assert found == expected(case)


def test_there_are_goldens():
    assert len(CASES) >= 6
