"""What a file remembers of the run that wrote it."""

import importlib.metadata
import sys
import types

import pytest

from hiertools.files import provenance


@pytest.mark.parametrize(
    ("module", "packages"),
    [("faiss", {"faiss-gpu", "faiss-cpu"}), ("ot", {"pot"}), ("numpy", {"numpy"})],
)
def test_the_versions_of_libraries_in_use_are_kept(monkeypatch, module, packages):
    monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
    libraries = provenance.Run("query", {}).record()["libraries"]
    (package,) = packages & libraries.keys()
    assert libraries[package] == importlib.metadata.version(package)


def test_a_module_that_came_without_a_package_is_left_out(monkeypatch):
    monkeypatch.setitem(provenance.LIBRARIES, "here", ("no-such-package",))
    monkeypatch.setitem(sys.modules, "here", types.ModuleType("here"))
    assert "no-such-package" not in provenance.Run("query", {}).record()["libraries"]


def test_a_library_that_is_not_in_use_is_left_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "geoopt", raising=False)
    assert "geoopt" not in provenance.Run("query", {}).record()["libraries"]
