"""What a file is, as people read it."""

from pathlib import Path
from typing import Any

from hiertools.files import kinds
from hiertools.files.entities import KIND as ENTITIES
from hiertools.files.hierarchy import KIND as HIERARCHY
from hiertools.files.hierarchy import Edge, Node
from hiertools.files.json import Document
from hiertools.files.trees import read_tree
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
    trees = kinds.header(path)[0] in (HIERARCHY, ENTITIES)
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
        elif _is_table(value):
            lines += ["  " * depth + key, *("  " * (depth + 1) + row for row in _table(value))]
        else:
            lines.append("  " * depth + f"{key}: {_value(value)}")
    return lines


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _table(rows: list[Document]) -> list[str]:
    """Return rows under a line with their keys: texts at the left of a column, numbers right."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = []
    for key in keys:
        cells = [key, *(_cell(row[key]) if key in row else "" for row in rows)]
        right = all(_is_number(row[key]) for row in rows if key in row)
        width = max(map(len, cells))
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in cells])
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, int) and _is_number(value):
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
    hierarchy = read_tree(path)
    nodes = {node.id: node for node in hierarchy.nodes}
    lines = []
    for depth, edge, key, again in outline(hierarchy):
        node = nodes[key]
        name = node.name if node.name == key else f"{node.name} ({key})"
        count = _count(node, edge)
        lines.append("  " * depth + name + _numbers(edge) + count + ("  (above)" if again else ""))
    return lines


def _count(node: Node, edge: Edge | None) -> str:
    """Return how many boxes a root has, or how many items an entity, which has a level."""
    if node.count is None or (edge and not node.level):
        return ""
    return f"  {node.count:,} {'items' if node.level else 'boxes'}"


def _numbers(edge: Edge | None) -> str:
    if edge is None or edge.frequency is None or edge.proportion is None:
        return ""
    return f"  {edge.frequency:,} times, in {edge.proportion:.1%}"
