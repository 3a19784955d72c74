"""Local features that are kept in parts: `OUT.parts/`, each a whole file of local features."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiertools.errors import UserError
from hiertools.files import items, json, local_features
from hiertools.files import parts as part_files
from hiertools.files.json import Document
from hiertools.files.local_features import Local, Raw, read_local, write_local
from hiertools.inventory import Inventory
from hiertools.local import opencv
from hiertools.local.extraction import Settings, extract
from hiertools.signals import Flag
from hiertools.terminal import Tick


def describe(settings: Settings) -> Document:
    """Return what a file says of how its features were found."""
    return {
        "descriptor": local_features.SIFT, "dimension": opencv.DESCRIPTOR, "stored": "uint8",
        "keypoints": settings.keypoints, "max_side": settings.max_side, "opencv": opencv.VERSION,
    }  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Rows `start` to `stop` of an inventory; `used` of them have features, in a file."""

    start: int
    stop: int
    used: list[int]
    rejects: list[dict[str, str]]
    features: Local


class Parts:
    """The parts of one output."""

    def __init__(self, output: Path, inventory: Inventory, settings: Settings) -> None:
        self.folder = part_files.folder_of(output)
        self._inventory, self._about = inventory, describe(settings)
        text = json.line({**self._about, "inventory": inventory.digest()})
        self.config = hashlib.sha256(text.encode()).hexdigest()

    def begin(self, *, resume: bool, overwrite: bool) -> list[Part]:
        """Return the parts that are there, in order; none unless `resume`."""
        return part_files.begin(self.folder, self._read, resume=resume, overwrite=overwrite)

    def is_done(self, output: Path) -> bool:
        """Return whether the output is there. Raises `UserError` if it was made otherwise."""
        if not output.exists():
            return False
        part_files.check_same(output, read_local(output).meta, self.config)
        return True

    def _read(self, path: Path) -> Part:
        local_features.check(path, full=True)
        found = read_local(path)
        about = found.meta.get("part")
        about = about if isinstance(about, dict) else {}
        part_files.check_same(path, about, self.config)
        return Part(about["start"], about["stop"], about["used"], about["rejects"], found)

    def write(self, start: int, found: list[Raw | str]) -> Part:
        """Write the features of rows from `start` on, or the reasons why they have none."""
        used = [start + i for i, each in enumerate(found) if isinstance(each, Raw)]
        rejects = [
            self._reject(start + i, each) for i, each in enumerate(found) if isinstance(each, str)
        ]
        about: Document = {
            "config": self.config, "start": start, "stop": start + len(found), "used": used,
            "rejects": rejects,
        }  # fmt: skip
        path = part_files.path_of(self.folder, start)
        raws = [each for each in found if isinstance(each, Raw)]
        write_local(
            path, self._inventory.items.take(np.array(used, np.int64)), lambda: iter(raws),
            meta={**self._about, "part": about}, chain=[], overwrite=True,
        )  # fmt: skip
        return self._read(path)

    def _reject(self, row: int, reason: str) -> dict[str, str]:
        path = self._inventory.files[int(self._inventory.file_of[row])]
        key = items.decode(self._inventory.items.id[row])
        return {"id": key, "path": str(path or ""), "reason": reason}

    def finish(
        self, output: Path, parts: list[Part], *, chain: list[Document], overwrite: bool
    ) -> tuple[int, int]:
        """Write the output from the parts, remove them; return its images and features.

        Raises `UserError` if no image has any.
        """
        used = np.array([row for part in parts for row in part.used], np.int64)
        if not len(used):
            first = next(reject["reason"] for part in parts for reject in part.rejects)
            shutil.rmtree(self.folder)
            raise UserError(f"none of {len(self._inventory):,} images can be used: {first}")

        def raws() -> Iterator[Raw]:
            for part in parts:
                yield from (part.features.raw(i) for i in range(len(part.used)))

        meta: Document = {
            **self._about, "config": self.config,
            "rejected": sum(len(part.rejects) for part in parts),
        }  # fmt: skip
        table = self._inventory.items.take(used)
        write_local(output, table, raws, meta=meta, chain=chain, overwrite=overwrite)
        shutil.rmtree(self.folder)
        return len(used), sum(len(part.features.frames) for part in parts)


def extract_in_parts(
    inventory: Inventory,
    settings: Settings,
    *,
    workers: int,
    store: Parts,
    parts: list[Part],
    flag: Flag,
    tick: Tick,
) -> list[Part]:
    """Find the features that `parts` do not have yet, and return all parts, in order.

    Raises `StoppedError` once a signal has raised `flag` and the work so far is kept.
    """
    start = parts[-1].stop if parts else 0
    files = [inventory.files[row] for row in inventory.file_of[start:].tolist()]
    return part_files.kept(
        extract(files, settings, workers=workers), parts, store.write, size=lambda found: 1,
        total=len(inventory), unit="images", flag=flag, tick=tick,
    )  # fmt: skip
