"""Accuracy against time: every method of re-ranking on a corridor that was walked twice.

    python tests/benchmarks/rerankers.py ../shared/data/multiview/corridor --work FOLDER

The data is VPR-Bench's Corridor (Milford 2013): 111 queries and 111 places on the same way, 160 x
120 pixels each, with the places that count as right (3 to 5 a query). Embeds them by `lite0` and as
local features, searches, and re-ranks the whole lists of 111 by every method and by chains, with
the real commands. Defaults are for large indexes of large images. Rows called small, and those that
name an n or a k1, have options that were chosen on these very queries: they say what there is to be
had, not what to expect. Prints mAP, recall@1 and @5 as place recognition has them (the share of
queries with a right place among the first), seconds a query that the methods say, those of the
whole commands with all their start, and what was prepared once. Last comes one line of JSON.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import measured
import numpy as np

SMALL_SPATIAL = "spatial:pixels=24,tau=6,cap=20"
SMALL_TOPOLOGICAL = "topological:radius=400,least=5,ratio=.9,tau=5"
SMALL_DIFFUSION = "diffusion:k=5,seeds=3"
CHAINS = {
    "initial": (),
    "alpha-qe": ("alpha-qe",),
    "alpha-qe, n = 3": ("alpha-qe:n=3",),
    "aqe": ("aqe",),
    "aqe, n = 3": ("aqe:n=3",),
    "database-qe": ("database-qe",),
    "database-qe, n = 2": ("database-qe:n=2",),
    "superglobal": ("superglobal",),
    "k-reciprocal": ("k-reciprocal",),
    "k-reciprocal, k1 = 5": ("k-reciprocal:k1=5,k2=2",),
    "diffusion, online": ("diffusion",),
    "diffusion, truncated": ("diffusion:mode=truncated",),
    "diffusion, offline": ("diffusion:mode=offline",),
    "diffusion, transductive": ("diffusion:mode=transductive",),
    "diffusion, small": (SMALL_DIFFUSION,),
    "spatial": ("spatial",),
    "spatial, verified before": ("spatial",),
    "spatial, small": (SMALL_SPATIAL,),
    "hypergraph": ("hypergraph",),
    "hypergraph, small": ("hypergraph:least=6",),
    "hypergraph, bfs": ("hypergraph:variant=bfs",),
    "hypergraph, bfs, small": ("hypergraph:variant=bfs,least=6",),
    "topological": ("topological",),
    "topological, small": (SMALL_TOPOLOGICAL,),
    "alpha-qe, spatial small": ("alpha-qe:n=3", SMALL_SPATIAL),
    "spatial small, diffusion small": (SMALL_SPATIAL, SMALL_DIFFUSION),
    "spatial small, hypergraph": (SMALL_SPATIAL, "hypergraph:least=6"),
    "k-reciprocal, topological small": ("k-reciprocal:k1=5,k2=2", SMALL_TOPOLOGICAL),
}
HIGH = 5  # the larger k of recall@k


def run(*arguments: object) -> tuple[str, float]:
    """Run a command as a process; return what it says to people, and its seconds."""
    command = [sys.executable, "-m", "hiertools", *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
    return done.stderr, time.perf_counter() - start


def prepare(data: Path, work: Path) -> dict[str, float]:
    """Write all that methods need, and return the seconds that each step took."""
    work.mkdir(parents=True, exist_ok=True)
    for side in ("query", "ref"):
        names = sorted(path.stem for path in (data / side).iterdir())
        (work / f"{side}.txt").write_text("".join(f"{side}/{name}\n" for name in names))
    right = np.load(data / "ground_truth_new.npy", allow_pickle=True)
    truth = {f"query/{q:07d}": [f"ref/{r:07d}" for r in places] for q, places in right}
    (work / "truth.json").write_text(json.dumps(truth))
    local, index, initial = work / "local.h5", work / "index.h5", work / "initial.jsonl"
    steps = {
        "embed": ("embed", data, "-o", work / "embeddings.h5"),
        "embed --local": ("embed", "--local", data, "-o", local),
        "index": ("index", work / "embeddings.h5", "--images", work / "ref.txt", "-o", index),
        "query": (
            "query", index, work / "embeddings.h5", "--images", work / "query.txt",
            "-k", len(truth), "-o", initial,
        ),
        "graph --offline": ("graph", index, "--offline", "-o", work / "graph.h5"),
        "verify the index": ("verify", index, "--local", local, "-o", work / "pairs.h5"),
        "verify the results": ("verify", initial, "--local", local, "-o", work / "found.h5"),
    }  # fmt: skip
    return {name: run(*step, "--overwrite")[1] for name, step in steps.items()}


def rerank(work: Path, name: str, chain: tuple[str, ...]) -> dict[str, object]:
    """Re-rank the initial results by a chain of methods, and judge what comes out."""
    path, said, wall = work / "initial.jsonl", 0.0, 0.0
    for step, method in enumerate(chain):
        made = work / f"{name.replace(' ', '')}-{step}.jsonl"
        more: list[object] = ["--queries", work / "embeddings.h5", "--local", work / "local.h5"]
        if "offline" in method:
            more += ["--graph", work / "graph.h5"]
        if "hypergraph" in method:
            more += ["--verified", work / "pairs.h5"]
        if "before" in name:
            more += ["--verified", work / "found.h5"]
        text, seconds = run(
            "rerank", path, "--index", work / "index.h5", *more, "--method", method,
            "-o", made, "--overwrite",
        )  # fmt: skip
        found = re.search(r"([\d.e-]+) s a query", text)
        said += float(found[1]) if found else float("nan")
        path, wall = made, wall + seconds
    return {**judged(work, path), "s_a_query": said, "whole_s": round(wall, 2)}


def judged(work: Path, path: Path) -> dict[str, float]:
    """Return mAP, as `hiertools evaluate retrieval` has it, and recall@1 and @HIGH."""
    metrics = work / "metrics.json"
    run("evaluate", "retrieval", path, "--truth", work / "truth.json", "-o", metrics, "--overwrite")
    rows = json.loads(metrics.read_text())["metrics"]
    (value,) = [row["value"] for row in rows if row["metric"] == "map"]
    truth = json.loads((work / "truth.json").read_text())
    lines = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    firsts = {line["query"]: [hit["id"] for hit in line["hits"][:HIGH]] for line in lines}
    recall = {
        f"recall@{k}": statistics.mean(bool({*firsts[q][:k]} & {*truth[q]}) for q in truth)
        for k in (1, HIGH)
    }
    return {"map": value, **recall}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", help="a word that the names of the chains must have")
    arguments = parser.parse_args()
    prepared = prepare(arguments.data, arguments.work)
    for name, seconds in prepared.items():
        print(f"{name:24} {seconds:8.2f} s", flush=True)
    print(f"\n{'':32} {'mAP':>6} {'R@1':>6} {'R@5':>6} {'s/query':>9} {'whole s':>8}")
    rows = {}
    for name, chain in CHAINS.items():
        if arguments.only and arguments.only not in name:
            continue
        rows[name] = row = rerank(arguments.work, name, chain)
        numbers = (row["map"], row["recall@1"], row[f"recall@{HIGH}"])
        accuracy = " ".join(f"{number:6.4f}" for number in numbers)
        print(f"{name:32} {accuracy} {row['s_a_query']:9.5f} {row['whole_s']:8.2f}", flush=True)
    print(json.dumps({**measured.machine(), "prepared": prepared, "methods": rows}))


if __name__ == "__main__":
    main()
