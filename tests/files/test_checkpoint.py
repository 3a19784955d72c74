"""checkpoint.h5: a training's state comes back, and an older one stays until it is whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.checkpoint import describe, read_checkpoint, write_checkpoint
from tests import strategies
from tests.files.test_model import assert_same_arrays
from tests.files.test_round_trips import few, written

STATE = {
    "parameter/head.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "parameter/log_c": np.array(0.25, np.float32),
    "random": np.arange(5, dtype=np.uint8),
    "step": np.array(7, np.int64),
}


def sample(path):
    write_checkpoint(path, STATE, {"step": 7}, chain=[])


@few
@given(
    strategies.tensors(st.builds("{}/{}".format, st.sampled_from("ab"), strategies.weight_names)),
    strategies.documents,
    strategies.chains,
)
def test_checkpoints(tmp_path, arrays, meta, chain):
    def write(path):
        write_checkpoint(path, arrays, meta, chain=chain)

    found = read_checkpoint(written(tmp_path, "c.h5", write))
    assert_same_arrays(found.arrays, arrays)
    assert (found.meta, found.chain) == (meta, chain)


def test_a_name_may_have_folders(tmp_path):
    path = tmp_path / "c.h5"
    write_checkpoint(path, STATE, {"step": 7}, chain=[])
    assert_same_arrays(read_checkpoint(path).arrays, STATE)
    assert describe(path) == {"arrays": 4, "numbers": 13, "step": 7}


def test_a_name_is_no_folder_of_another(tmp_path):
    with pytest.raises(UserError, match="'a/b' is an array and the folder of another"):
        write_checkpoint(tmp_path / "c.h5", {"a/b": np.ones(1), "a/b/c": np.ones(1)}, {}, chain=[])
    assert list(tmp_path.iterdir()) == []


def test_an_older_one_is_replaced_when_the_new_one_is_whole(tmp_path):
    path = tmp_path / "c.h5"
    write_checkpoint(path, STATE, {"step": 7}, chain=[])
    with pytest.raises(TypeError):
        write_checkpoint(path, {"a": np.array([object()])}, {"step": 8}, chain=[])
    assert read_checkpoint(path).meta == {"step": 7}
    write_checkpoint(path, {"a": np.ones(1)}, {"step": 8}, chain=[])
    assert read_checkpoint(path).meta == {"step": 8}
    assert read_checkpoint(path).arrays.keys() == {"a"}
    assert [each.name for each in tmp_path.iterdir()] == ["c.h5"]


def test_as_many_arrays_as_a_large_network_and_its_optimiser_have(tmp_path):
    path = tmp_path / "c.h5"
    arrays = {f"{kind}/{i}": np.float32(i) for kind in ("parameter", "mean") for i in range(600)}
    write_checkpoint(path, arrays, {}, chain=[])
    assert read_checkpoint(path).arrays.keys() == arrays.keys()


def test_a_checkpoint_is_no_model(tmp_path):
    write_checkpoint(tmp_path / "c.h5", STATE, {}, chain=[])
    with pytest.raises(UserError, match="is a checkpoint file; a model file is needed"):
        kinds.model.read_model(tmp_path / "c.h5")
