"""Mining beside what else one would do: a DuckDB self-join, and a plain Python loop.

    pip install -e '.[bench]'
    python tests/benchmarks/mining.py [--images 1900000]

Prints one line of JSON: `hiertools mine-hierarchy` on an OpenImages-like CSV, polars' bare parse
of the same file, a DuckDB self-join on it, and a plain loop on a hundredth of its images.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import box_csv
import measured

BARE_PARSE = "import polars, sys; print(len(polars.read_csv(sys.argv[1])))"
DUCKDB = """
import duckdb, sys
duckdb.sql("SET preserve_insertion_order = false")
duckdb.sql("SET enable_progress_bar = false")
print(len(duckdb.sql('''
WITH box AS (
    SELECT row_number() OVER () AS id, ImageID AS image, LabelName AS label,
        round(XMin * 1e6)::BIGINT AS x0, round(YMin * 1e6)::BIGINT AS y0,
        round(XMax * 1e6)::BIGINT AS x1, round(YMax * 1e6)::BIGINT AS y1,
        (x1 - x0) * (y1 - y0) AS area
    FROM read_csv($path, types = {'ImageID': 'VARCHAR'})
)
SELECT p.label, c.label, count(*) AS frequency, count(DISTINCT p.id) AS holders
FROM box p JOIN box c ON p.image = c.image AND p.area > c.area AND c.area > 0
    AND 5 * greatest(0, least(p.x1, c.x1) - greatest(p.x0, c.x0))
          * greatest(0, least(p.y1, c.y1) - greatest(p.y0, c.y0)) >= 4 * c.area
GROUP BY ALL
''', params={"path": sys.argv[1]}).fetchall()))
"""
PLAIN_LOOP = """
import csv, sys
from collections import Counter, defaultdict
images = defaultdict(list)
with open(sys.argv[1], newline="") as file:
    for row in csv.DictReader(file):
        x0, y0, x1, y1 = (round(float(row[k]) * 1e6) for k in ("XMin", "YMin", "XMax", "YMax"))
        images[row["ImageID"]].append((row["LabelName"], x0, y0, x1, y1, (x1 - x0) * (y1 - y0)))
frequency, holders = Counter(), Counter()
for boxes in images.values():
    for p in boxes:
        held = set()
        for c in boxes:
            if p[5] > c[5] > 0:
                width = min(p[3], c[3]) - max(p[1], c[1])
                height = min(p[4], c[4]) - max(p[2], c[2])
                if width > 0 and height > 0 and 5 * width * height >= 4 * c[5]:
                    frequency[p[0], c[0]] += 1
                    held.add(c[0])
        holders.update((p[0], label) for label in held)
print(len(frequency))
"""


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_900_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        large, small, tree = (Path(folder, name) for name in ("large.csv", "small.csv", "t.json"))
        boxes = box_csv.write(large, images=images, seed=0, shuffled=False)
        small_boxes = box_csv.write(small, images=images // 100, seed=0, shuffled=False)
        python = [sys.executable, "-c"]
        ours = [sys.executable, "-m", "hiertools", "mine-hierarchy", "-q", "--overwrite"]
        measured.run(*ours, str(small), "-o", str(tree))  # compiles
        found = {
            "hiertools": measured.run(*ours, str(large), "-o", str(tree)),
            "polars_bare_parse": measured.run(*python, BARE_PARSE, str(large)),
            "duckdb_self_join": measured.run(*python, DUCKDB, str(large)),
            "hiertools_hundredth": measured.run(*ours, str(small), "-o", str(tree)),
            "plain_loop_hundredth": measured.run(*python, PLAIN_LOOP, str(small)),
        }
        document = json.loads(tree.read_text())
        pairs = len(document["edges"]) + len(document["dropped"])
        assert pairs == int(str(found["plain_loop_hundredth"]["printed"])), "the counts differ"
    seconds = {name: float(figures["wall_s"]) for name, figures in found.items()}
    ratios = {
        "of_bare_parse": round(seconds["hiertools"] / seconds["polars_bare_parse"], 2),
        "of_duckdb": round(seconds["hiertools"] / seconds["duckdb_self_join"], 2),
        "of_plain_loop": round(seconds["hiertools"] / seconds["plain_loop_hundredth"] / 100, 4),
    }
    sizes = {"images": images, "boxes": boxes, "boxes_hundredth": small_boxes}
    print(json.dumps({**measured.machine(), **sizes, "ratio": ratios, **found}))


if __name__ == "__main__":
    main()
