"""Many pairs of images, verified by worker processes and kept in parts."""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from hiertools import signals
from hiertools.errors import UserError
from hiertools.files import json, verified
from hiertools.files import parts as part_files
from hiertools.files.json import Document
from hiertools.files.local_features import LocalFeatures
from hiertools.files.verified import Block, Pair
from hiertools.local.verification import Matching, verify
from hiertools.reranking.assembling import Features
from hiertools.signals import Flag
from hiertools.terminal import Tick

TOGETHER = 64  # pairs that a worker does at a time

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Job:
    """Pairs of images (codes, p x 2) to verify. `digest`: of the files of local features."""

    images: list[str]
    sizes: NDArray[np.int32]
    codes: Codes
    matching: Matching
    digest: str

    def config(self) -> str:
        """Return a sha256 of all that the pairs depend on."""
        about = json.line({"options": self.matching.document(), "local": self.digest})
        found = hashlib.sha256(about.encode())
        found.update("\n".join(self.images).encode() + self.codes.tobytes())
        return found.hexdigest()


def job(
    pairs: Sequence[tuple[str, str]], features: Features, matching: Matching, digest: str
) -> Job:
    """Return the work of some pairs, those of an image with itself left out.

    Raises `UserError` for an image without local features.
    """
    place: dict[str, int] = {}
    codes = [
        (place.setdefault(left, len(place)), place.setdefault(right, len(place)))
        for left, right in pairs
        if left != right
    ]
    sizes = [features.size(key) for key in place]
    for key, size in zip(place, sizes, strict=True):
        if size is None:
            raise UserError(
                f"no local features of {key!r}; write them with hiertools embed --local and give"
                " them with --local"
            )
    return Job(
        list(place), np.array(sizes, np.int32).reshape(-1, 2),
        np.array(codes, np.int32).reshape(-1, 2), matching, digest,
    )  # fmt: skip


@dataclass(frozen=True)
class Done:
    """Pairs `start` to `stop` of a job."""

    start: int
    stop: int
    pairs: list[Pair]


class Parts:
    """The parts of one output."""

    def __init__(self, output: Path, job: Job) -> None:
        self.folder, self._job, self._config = part_files.folder_of(output), job, job.config()

    def begin(self, *, resume: bool, overwrite: bool) -> list[Done]:
        """Return the parts that are there, in order; none unless `resume`."""
        return part_files.begin(self.folder, self._read, resume=resume, overwrite=overwrite)

    def _read(self, path: Path) -> Done:
        verified.check(path, full=True)
        found = verified.read_part(path)
        part_files.check_same(path, found.meta.get("part", {}), self._config)
        about = found.meta["part"]
        return Done(about["start"], about["stop"], [found.pair(i) for i in range(len(found))])

    def write(self, done: Done) -> Done:
        """Write a part."""
        about: Document = {"config": self._config, "start": done.start, "stop": done.stop}
        meta: Document = {"options": self._job.matching.document(), "part": about}
        block = Block(self._job.codes[done.start : done.stop], done.pairs)
        verified.write_verified(
            part_files.path_of(self.folder, done.start), self._job.images, self._job.sizes,
            [block], meta=meta, chain=[], overwrite=True,
        )  # fmt: skip
        return done

    def finish(
        self, output: Path, parts: list[Done], *, chain: list[Document], overwrite: bool
    ) -> list[Pair]:
        """Write the output from the parts, remove them, and return all pairs."""
        job = self._job
        blocks = [Block(job.codes[done.start : done.stop], done.pairs) for done in parts]
        meta: Document = {
            "options": job.matching.document(), "local": job.digest, "config": self._config,
        }  # fmt: skip
        verified.write_verified(
            output, job.images, job.sizes, blocks, meta=meta, chain=chain, overwrite=overwrite
        )
        shutil.rmtree(self.folder)
        return [pair for done in parts for pair in done.pairs]


def verify_in_parts(
    job: Job,
    features: Features,
    *,
    workers: int,
    store: Parts,
    parts: list[Done],
    flag: Flag,
    tick: Tick,
) -> list[Done]:
    """Verify what `parts` do not have yet, and return all parts, in order.

    Raises `StoppedError` once a signal has raised `flag` and the work so far is kept.
    """
    first = parts[-1].stop if parts else 0

    def write(start: int, blocks: list[list[Pair]]) -> Done:
        pairs = list(chain.from_iterable(blocks))
        return store.write(Done(start, start + len(pairs), pairs))

    return part_files.kept(
        _verified(job, features, first, workers), parts, write, size=len, total=len(job.codes),
        unit="pairs", flag=flag, tick=tick,
    )  # fmt: skip


def _verified(job: Job, features: Features, start: int, workers: int) -> Iterator[list[Pair]]:
    """Yield the pairs from `start` on, some at a time."""
    batches = _Batches(job, features, start)
    if workers == 0 or not len(batches):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in a worker, so that sums are the same
        try:
            yield from (batches[i] for i in range(len(batches)))
        finally:
            torch.set_num_threads(threads)
        return
    loader: DataLoader[list[Pair]] = DataLoader(
        batches,
        batch_size=None,
        num_workers=min(workers, len(batches)),
        worker_init_fn=_begin,
    )
    yield from loader


def _begin(worker: int) -> None:
    """Leave signals to the parent, and end when it is gone."""
    signals.leave_to_parent(worker)
    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()


def _end_after(parent: int) -> None:
    """End this process when its parent was killed: it would wait for ever for pairs to be taken."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class _Batches(Dataset[list[Pair]]):
    """Pairs, some at a time; runs in worker processes."""

    def __init__(self, job: Job, features: Features, start: int) -> None:
        self.job, self.features = job, features
        self.starts = range(start, len(job.codes), TOGETHER)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> list[Pair]:
        start, job = self.starts[index], self.job
        pairs = job.codes[start : start + TOGETHER].tolist()
        return [
            verify(self._features(left), self._features(right), job.matching)
            for left, right in pairs
        ]

    def _features(self, code: int) -> LocalFeatures:
        found = self.features.of(self.job.images[code])
        assert found is not None
        return found
