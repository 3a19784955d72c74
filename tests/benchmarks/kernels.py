"""The hot operations beside what else one would do, in one table.

    python tests/benchmarks/kernels.py [--only losses,beam] [--quick] [--json]

Each row is of one run, where both took turns: seconds, their ratio, and the aim for it; the same
for peaks of memory where they are measured. --only takes modules of `kernel_rows`; --quick takes
sizes so small that the figures mean nothing, to see that it runs; --json prints a line of JSON a
row instead. The rows of mining write CSV files of a gigabyte to the temporary folder.
"""

import argparse
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the program has it

import measured
from kernel_rows.row import Row

MODULES = ("losses", "beam", "scans", "attention", "embed", "mining")
COLUMNS = "{:<24} {:<30} {:<34} {:>9} {:>9} {:>7} {:>6} {:>7} {:>6}  {}"


def line(row: Row) -> str:
    """Return a row of the table; a ratio that misses its aim has a star."""
    return COLUMNS.format(
        row.operation, row.sizes, row.against, f"{row.ours:.4g}", f"{row.theirs:.4g}",
        *_judged(row.ours / row.theirs, row.aim), *_judged(row.memory, row.memory_aim), row.note,
    )  # fmt: skip


def _judged(ratio: float | None, aim: float | None) -> tuple[str, str]:
    if ratio is None:
        return "", ""
    missed = "*" if aim is not None and ratio > aim else ""
    return f"{ratio:.3g}{missed}", "" if aim is None else f"{aim:.3g}"


def main() -> None:
    """Read the command line, measure, print row by row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(MODULES))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[2]))
    if not given.json:
        print(json.dumps(measured.machine()))
        print(
            COLUMNS.format(
                "operation", "sizes", "against", "ours (s)", "theirs", "ratio", "aim", "memory",
                "aim", "more",
            )
        )  # fmt: skip
    for name in given.only.split(","):
        for row in importlib.import_module(f"kernel_rows.{name}").rows(given.quick):
            print(json.dumps(asdict(row)) if given.json else line(row), flush=True)


if __name__ == "__main__":
    main()
