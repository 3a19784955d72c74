"""Work that is kept in parts: `OUT.parts/`, each part an embeddings file that is whole.

A part is taken up again only if it verifies and was made with the same configuration.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiertools import embedding
from hiertools.embedding import Embedded, Settings, Vectors
from hiertools.encoder import Encoder
from hiertools.errors import UserError
from hiertools.files import embeddings
from hiertools.files import parts as part_files
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.inventory import Inventory
from hiertools.signals import Flag
from hiertools.terminal import Tick


@dataclass(frozen=True)
class Part:
    """Rows `start` to `stop` of an inventory, of which `used` have vectors (a memory map)."""

    start: int
    stop: int
    used: list[int]
    vectors: Vectors
    rejects: list[dict[str, str]]
    too_small: int


class Parts:
    """The folder of the parts of one output."""

    def __init__(self, output: Path, config: str) -> None:
        self.folder = part_files.folder_of(output)
        self.config = config

    def begin(self, *, resume: bool, overwrite: bool) -> list[Part]:
        """Return the parts that are there, in order; none unless `resume`.

        Raises `OutputExistsError` for parts that nobody asked to continue, and `UserError` for
        damaged ones and those of another configuration.
        """
        return part_files.begin(self.folder, self._read, resume=resume, overwrite=overwrite)

    def _read(self, path: Path) -> Part:
        embeddings.check(path, full=True)
        found = embeddings.read_embeddings(path)
        part = found.meta.get("part")
        part = part if isinstance(part, dict) else {}
        part_files.check_same(path, part, self.config)
        return Part(
            part["start"], part["stop"], part["used"], found.vectors, part["rejects"],
            part["too_small"],
        )  # fmt: skip

    def write(self, batches: list[Embedded], table: Items) -> Part:
        """Write batches as one part."""
        used = np.concatenate([batch.used for batch in batches])
        about: Document = {
            "config": self.config,
            "start": batches[0].rows.start,
            "stop": batches[-1].rows.stop,
            "used": used.tolist(),
            "rejects": [reject for batch in batches for reject in batch.rejects],
            "too_small": sum(batch.too_small for batch in batches),
        }
        path = part_files.path_of(self.folder, about["start"])
        embeddings.write_embeddings(
            path,
            (batch.vectors for batch in batches),
            batches[0].vectors.shape[1],
            table.take(used),
            meta={"part": about},
            chain=[],
            overwrite=True,
        )
        return self._read(path)

    def finished(self, output: Path) -> Document | None:
        """Return what the output says of itself if it is there, made with this configuration.

        Raises `UserError` if it is there, made with another.
        """
        if not output.exists():
            return None
        meta = embeddings.read_embeddings(output).meta
        if meta.get("config") != self.config:
            raise UserError(
                f"{output}: was made from other inputs or with other options; give the same ones,"
                " or make it anew with --overwrite"
            )
        return meta

    def finish(
        self,
        output: Path,
        parts: list[Part],
        table: Items,
        *,
        meta: Document,
        chain: list[Document],
        overwrite: bool,
    ) -> tuple[int, int]:
        """Write the output from the parts, remove them, and return its shape.

        Raises `UserError` if no row has a vector.
        """
        used = np.array([row for part in parts for row in part.used], np.int64)
        if not len(used):
            reasons = [reject["reason"] for part in parts for reject in part.rejects]
            shutil.rmtree(self.folder)
            first = reasons[0] if reasons else "all crops are below --min-size"
            raise UserError(f"none of {len(table):,} items can be used; the first: {first}")
        dimension = parts[0].vectors.shape[1]
        about = {
            **meta,
            "dimension": dimension,
            "rejected": sum(len(part.rejects) for part in parts),
            "too_small": sum(part.too_small for part in parts),
        }
        embeddings.write_embeddings(
            output,
            (part.vectors for part in parts),
            dimension,
            table.take(used),
            meta=about,
            chain=chain,
            overwrite=overwrite,
        )
        shutil.rmtree(self.folder)
        return len(used), dimension


def embed_in_parts(
    inventory: Inventory,
    encoder: Encoder,
    settings: Settings,
    *,
    store: Parts,
    parts: list[Part],
    flag: Flag,
    tick: Tick,
) -> list[Part]:
    """Embed what `parts` do not have yet, and return all parts, in order.

    Raises `StoppedError` once a signal has raised `flag` and the work so far is kept.
    """
    start = parts[-1].stop if parts else 0
    return part_files.kept(
        embedding.embed(inventory, encoder, settings, start=start),
        parts,
        lambda first, batches: store.write(batches, inventory.items),
        size=lambda batch: len(batch.rows), total=len(inventory), unit="rows", flag=flag, tick=tick,
    )  # fmt: skip
