"""What a file is, as people read it."""

from pathlib import Path
from typing import Any

from hiertools.files import kinds
from hiertools.files.hierarchy import KIND as HIERARCHY
from hiertools.files.hierarchy import Edge, read_hierarchy
from hiertools.files.json import Document
from hiertools.hierarchy import outline


def describe(path: Path) -> Document:
    """Return a file's kind, version, contents and provenance chain."""
    kind, version, chain = kinds.header(path)
    contents = kinds.KINDS[kind].describe(path)
    return {
        "file": str(path),
        "kind": kind,
        "version": version,
        **contents,
        "provenance": chain,
    }


def as_text(about: Document, path: Path) -> str:
    """Return a description as lines, with the trees of a hierarchy."""
    about = dict(about)
    chain = about.pop("provenance")
    head = f"{about.pop('file')}: {about.pop('kind')}, version {about.pop('version')}"
    trees = kinds.header(path)[0] == HIERARCHY
    lines = [head, *_lines(about, 1), *_history(chain)]
    if trees:
        lines += ["", *_trees(path)]
    return "\n".join(lines) + "\n"


def _lines(about: Document, depth: int) -> list[str]:
    lines = []
    for key, value in about.items():
        if isinstance(value, dict):
            if value:
                lines += ["  " * depth + key, *_lines(value, depth + 1)]
        else:
            lines.append("  " * depth + f"{key}: {_value(value)}")
    return lines


def _value(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _history(chain: list[Document]) -> list[str]:
    lines = ["  made by"] if chain else []
    for record in chain:
        words = [str(word) for word in record.get("argv", [])]
        lines.append(
            f"    {record.get('time', '?')} {record.get('program', '?')} {' '.join(words)}"
        )
    return lines


def _trees(path: Path) -> list[str]:
    hierarchy = read_hierarchy(path)
    nodes = {node.id: node for node in hierarchy.nodes}
    lines = []
    for depth, edge, key, again in outline(hierarchy):
        node = nodes[key]
        name = node.name if node.name == key else f"{node.name} ({key})"
        count = "" if node.count is None or edge else f"  {node.count:,} boxes"
        lines.append("  " * depth + name + _numbers(edge) + count + ("  (above)" if again else ""))
    return lines


def _numbers(edge: Edge | None) -> str:
    if edge is None or edge.frequency is None or edge.proportion is None:
        return ""
    return f"  {edge.frequency:,} times, in {edge.proportion:.1%}"
