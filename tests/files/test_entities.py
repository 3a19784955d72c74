"""entities.h5: nodes and members come back as they were, and what does not fit is refused."""

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import entities as files
from hiertools.files import kinds
from tests import entities_made as made


def save(path, entities, members):
    files.write_entities(path, entities, members, chain=[], overwrite=False)
    return path


@pytest.mark.parametrize(("d", "t", "coordinates"), [(4, 3, True), (0, 0, False), (3, 0, True)])
def test_a_round_trip(tmp_path, d, t, coordinates):
    entities = made.entities(d=d, t=t, coordinates=coordinates)
    members = made.members(coordinates=coordinates)
    path = save(tmp_path / "entities.h5", entities, members)
    assert kinds.check(path, full=True) == "entities"
    found, rows = files.read_entities(path), files.read_members(path)
    for name in vars(entities):
        np.testing.assert_array_equal(getattr(found, name), getattr(entities, name), name)
    np.testing.assert_array_equal(rows.entity, members.entity)
    np.testing.assert_array_equal(rows.fold, members.fold)
    for name, column in members.items.columns().items():
        np.testing.assert_array_equal(getattr(rows.items, name), column)
    assert files.digest_of(found) == files.digest_of(entities)


def test_the_digest_is_that_of_levels_and_keys():
    plain = files.digest_of(made.entities())
    assert files.digest_of(made.entities(d=0, coordinates=False)) == plain
    key = np.array([*made.KEY[:-1], "jp/tokyo/ueno"], "S")
    assert files.digest_of(made.entities(key=key)) != plain


def test_prototypes_are_unit_means_and_leave_a_fold_out():
    entities = made.entities()
    unit = made.vectors() / np.linalg.norm(made.vectors(), axis=1, keepdims=True)
    at = np.array(made.PATHS)[:, 2]
    for without in (None, 0, 1):
        kept = np.array(made.FOLD) != without
        means = np.stack([unit[(at == node) & kept].sum(0) for node in range(5, 9)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        np.testing.assert_allclose(entities.prototypes(2, without=without), means, atol=1e-6)


def test_a_node_without_items_of_a_fold_has_no_prototype():
    sums = made.entities().image_sums.copy()
    sums[9 + 7] = 0  # Imst in fold 1
    assert not made.entities(image_sums=sums).prototypes(2, without=0)[2].any()
    with pytest.raises(UserError, match="--embeddings"):
        made.entities(d=0).prototypes(0, without=None)


def test_the_hierarchy_passes_implicit_nodes_through():
    tree = files.hierarchy_of(made.entities())
    edges = {(edge.parent, edge.child) for edge in tree.edges}
    assert ("at", "at/%/wien") in edges
    assert ("at", "at/tirol") in edges
    assert not any(node.id == "at/%" for node in tree.nodes)
    assert tree.leaves == ["at/%/wien", "at/tirol/hall", "at/tirol/imst", "jp/tokyo/edo"]
    assert {node.id: (node.name, node.level, node.count) for node in tree.nodes}["at"] == (
        "AT", "country", 6,
    )  # fmt: skip


WRONG = {
    "offsets": (np.array([0, 2, 6, 9]), "not below one"),
    "key": (np.array([*made.KEY[:-1], "at"], "S"), "twice"),
    "children": (np.array(made.CHILDREN)[::-1], "not those that name it"),
    "parent": (np.array([-1, -1, 0, 1, 0, 2, 3, 3, 4]), "stand together|not those that name"),
    "count": (np.zeros(9, np.int64), "not its count"),
    "longitude": (None, "one of latitude and longitude"),
    "name": (np.array(["a"], "S"), "shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused(name):
    value, message = WRONG[name]
    with pytest.raises(UserError, match=message):
        made.entities(**{name: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entity": np.array(made.PATHS, "i4")[:, ::-1]}, "that its level does not have"),
        ({"entity": np.array([[1, 2, 5], *made.PATHS[1:]], "i4")}, "not below its node"),
        ({"fold": np.full(8, 2, "u1")}, "fold that is not there"),
    ],
)
def test_members_that_do_not_fit_are_refused(tmp_path, changes, message):
    path = save(tmp_path / "entities.h5", made.entities(), made.members(**changes))
    with pytest.raises(UserError, match=message):
        files.read_members(path)
