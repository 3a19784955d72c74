"""Memory of build-entities beside the number of rows: it is to be flat.

    python tests/benchmarks/entities.py [--rows 500000,1000000,5000000] [--dimension 64] [--shuffle]

Makes metadata and embeddings of so many rows over the same 50,000 cities, builds entities and
prints a line of JSON for each: peak resident memory, and the peak of the memory that belongs to no
file (RssAnon). Needs about 2.5 GB of disk for 5 million rows, which it gives back.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import measured
import numpy as np

from hiertools.files.embeddings import write_embeddings
from hiertools.files.items import Items

BLOCK = 1 << 16
CITIES, SUBREGIONS, REGIONS, COUNTRIES = 50_000, 8_000, 2_000, 200


def ids(start: int, stop: int) -> np.ndarray:
    return np.char.add(b"1000000", np.arange(10**9 + start, 10**9 + stop).astype("S10"))


def make(folder: Path, rows: int, dimension: int, shuffle: bool) -> None:
    """Write metadata.csv and embeddings.h5, in the same order or any."""
    rng = np.random.default_rng(0)
    with open(folder / "metadata.csv", "w") as file:
        file.write("id,latitude,longitude,country,region,sub-region,city\n")
        for start in range(0, rows, BLOCK):
            city = rng.integers(0, CITIES, min(BLOCK, rows - start))
            at = rng.uniform(-80, 80, (len(city), 2))
            names = [key.decode() for key in ids(start, start + len(city)).tolist()]
            file.writelines(
                f"{key},{lat:.6f},{lon:.6f},{code(c % COUNTRIES)},Region {c % REGIONS},"
                f"{f'County {c % SUBREGIONS}' if c % 4 else ''},City of {c}\n"
                for key, c, (lat, lon) in zip(names, city.tolist(), at.tolist(), strict=True)
            )
    blocks = (
        rng.normal(size=(min(BLOCK, rows - start), dimension)).astype(np.float32)
        for start in range(0, rows, BLOCK)
    )
    order = rng.permutation(rows) if shuffle else np.arange(rows)
    about = {"encoder": "random", "digest": "0" * 64, "output": "embedding", "preprocess": {}}
    write_embeddings(
        folder / "embeddings.h5", blocks, dimension, Items(ids(0, rows)[order]),
        meta={**about, "dimension": dimension}, chain=[], overwrite=True,
    )  # fmt: skip


def code(number: int) -> str:
    return chr(65 + number // 26) + chr(65 + number % 26)


def build(folder: Path, more: list[str]) -> dict[str, object]:
    """Run the command and watch its memory."""
    command = [
        sys.executable, "-m", "hiertools", "build-entities", str(folder / "metadata.csv"),
        "--embeddings", str(folder / "embeddings.h5"), "-o", str(folder / "entities.h5"),
        "--overwrite", "-v", *more,
    ]  # fmt: skip
    start, anonymous = time.perf_counter(), [0]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def watch() -> None:
        while process.poll() is None:
            try:
                text = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            found = [line.split()[1] for line in text.splitlines() if line.startswith("RssAnon")]
            anonymous[0] = max(anonymous[0], *map(int, found), 0)
            time.sleep(0.05)

    thread = threading.Thread(target=watch)
    thread.start()
    said = process.communicate()[1]
    thread.join()
    if process.returncode:
        raise SystemExit(said)
    peak = float(said.rpartition(" and ")[2].split()[0].replace(",", ""))
    return {
        "wall_s": round(time.perf_counter() - start, 1),
        "peak_rss_mb": peak,
        "peak_anonymous_mb": anonymous[0] // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="500000,1000000,5000000")
    parser.add_argument("--dimension", type=int, default=64)
    parser.add_argument("--shuffle", action="store_true", help="embeddings in another order")
    parser.add_argument("more", nargs="*", help="more options of the command, after --")
    arguments = parser.parse_args()
    more = [*arguments.more, *(["--sort"] if arguments.shuffle else [])]
    for rows in map(int, arguments.rows.split(",")):
        with tempfile.TemporaryDirectory(prefix="entities-") as folder:
            make(Path(folder), rows, arguments.dimension, arguments.shuffle)
            found = build(Path(folder), more)
        found["rows_per_s"] = round(rows / float(str(found["wall_s"])))
        print(json.dumps({"rows": rows, **found, "more": more, **measured.machine()}))


if __name__ == "__main__":
    main()
