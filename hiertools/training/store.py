"""The files of a training: its checkpoint `OUT.checkpoint.h5` while it runs, then its model."""

import hashlib
from pathlib import Path
from typing import Any

from hiertools.errors import OutputExistsError, UserError
from hiertools.files import checkpoint, json, model
from hiertools.files.checkpoint import Checkpoint
from hiertools.files.json import Document
from hiertools.training.state import State

OTHER = (
    "was made from other inputs or with other options; give the same ones, or start again with"
    " --overwrite"
)


def digest(options: Document) -> str:
    """Return the sha256 of what decides a training's result: its options and inputs."""
    return hashlib.sha256(json.line(options).encode()).hexdigest()


class Store:
    """The files of one output; `config` is the digest of what decides its result."""

    def __init__(self, output: Path, config: str) -> None:
        self.output, self.config = output, config
        self.checkpoint = output.with_name(f"{output.name}.checkpoint.h5")

    def is_complete(self) -> bool:
        """Return whether the output is there. Raises `UserError` if it is another training's."""
        if not self.output.exists():
            return False
        if model.read_model(self.output).meta["training"].get("config") != self.config:
            raise UserError(f"{self.output}: {OTHER}")
        return True

    def begin(self, *, resume: bool, overwrite: bool) -> Checkpoint | None:
        """Return the checkpoint to go on from, None to start.

        Raises `OutputExistsError` for a checkpoint that nobody asked to continue, and `UserError`
        for one of another training.
        """
        if not self.checkpoint.exists():
            return None
        if resume:
            found = checkpoint.read_checkpoint(self.checkpoint)
            if found.meta.get("config") != self.config:
                raise UserError(f"{self.checkpoint}: {OTHER}")
            return found
        if not overwrite:
            raise OutputExistsError(
                f"{self.checkpoint}: an earlier run stopped half-way; --resume continues it,"
                " --overwrite starts again"
            )
        return None

    def keep(self, state: State[Any]) -> None:
        """Write a checkpoint in the place of the one before."""
        meta = {**state.meta(), "config": self.config}
        checkpoint.write_checkpoint(self.checkpoint, state.arrays(), meta, chain=[])

    def finish(self, found: model.Model, *, chain: list[Document], overwrite: bool) -> None:
        """Write the model and remove the checkpoint."""
        model.write_model(self.output, found, chain=chain, overwrite=overwrite)
        self.checkpoint.unlink(missing_ok=True)
