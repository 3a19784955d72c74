"""The items of any file of ours that has some."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UserError

if TYPE_CHECKING:
    from hiertools.files.items import Items
    from hiertools.files.provenance import Run


def items_of(run: "Run", path: Path) -> "Items":
    """Return the items of a file. Raises `UserError` for a kind of file that has none."""
    from hiertools.files import embeddings, index, inputs, kinds, pairs

    readers: dict[str, Callable[[Path], Any]] = {
        embeddings.KIND: embeddings.read_embeddings,
        index.KIND: index.read_index,
        pairs.KIND: pairs.read_pairs,
    }
    kind, _, chain = kinds.header(path)
    if kind not in readers:
        raise UserError(f"{path}: a {kind} file has no items; name {', '.join(readers)}")
    run.add_input(path, inputs.digest_file(path), chain)
    found: Items = readers[kind](path).items
    return found
