"""model.h5: the same weights come back, of any shape; what no model has is refused."""

import h5py
import numpy as np
import pytest
from hypothesis import given

from hiertools.errors import UserError
from hiertools.files import kinds, tensors
from hiertools.files.model import Model, describe, digest_of, read_model, write_model
from tests import strategies
from tests.files.test_round_trips import few, written

META = {
    "task": "parts", "geometry": "lorentz", "features": 3, "dimension": 2, "c": 0.5, "alpha": 0.1,
    "tau": 0.07, "encoder": "lite0", "digest": "0" * 64, "preprocess": {}, "output": "embedding",
    "loss": "angular", "training": {"epochs": 30},
}  # fmt: skip


def weights(**others):
    named = {
        "head.weight": np.arange(6).reshape(2, 3),
        "head.bias": np.ones(2),
        **dict.fromkeys(("log_alpha", "log_c", "log_tau"), np.array(-1.5)),
    }
    return {name: np.asarray(array, np.float32) for name, array in named.items()} | others


def parts(**others):
    return Model("parts", weights(), {}, META | others)


def save(folder, model, name="m.h5", **options):
    options = {"chain": [], "overwrite": False, **options}
    write_model(folder / name, model, **options)
    return folder / name


def sample(path):
    return save(path.parent, parts(), path.name)


def edit(path, change):
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        change(file)
    return path


def assert_same_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


@few
@given(strategies.models(), strategies.chains)
def test_models(tmp_path, drawn, chain):
    model = Model(*drawn)

    def write(path):
        write_model(path, model, chain=chain, overwrite=True)

    found = read_model(written(tmp_path, "m.h5", write))
    assert_same_arrays(found.weights, model.weights)
    assert_same_arrays(found.encoder, model.encoder)
    assert (found.task, found.meta, found.chain) == (model.task, model.meta, chain)
    assert digest_of(found) == digest_of(model)


def test_single_numbers_and_whole_numbers_stay_what_they_are(tmp_path):
    state = {
        "bn.num_batches_tracked": np.array(2**40, np.int64),
        "bn.weight": np.ones(3, np.float32),
        "conv.weight": np.ones((2, 3, 1, 1), np.float32)[:, ::-1],
        "mask": np.array([[True, False]]),
        "none": np.zeros((0, 4), np.float32),
    }
    path = save(tmp_path, Model("parts", weights(), state, META))
    found = read_model(path)
    assert_same_arrays(found.encoder, state)
    assert found.weights["log_c"].shape == ()
    assert found.weights["log_c"].dtype == np.float32


def test_a_tensor_larger_than_a_chunk_can_be(tmp_path, monkeypatch):
    monkeypatch.setattr("hiertools.files.hdf5.CHUNK_BYTES", 100)
    wide = {"wide": np.arange(120, dtype=np.float32).reshape(3, 40), "long": np.arange(300)}
    path = save(tmp_path, Model("others", wide, {}, {"task": "others"}))
    assert_same_arrays(read_model(path).weights, wide)
    with h5py.File(path) as file:
        assert file["weights/wide"].chunks == (1, 40)
        assert file["weights/long"].chunks == (12,)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("task", 3, "meta: task is not text"),
        ("geometry", "sphere", "meta: geometry is not one of lorentz, euclidean"),
        ("c", 0, "meta: c is not above 0"),
        ("c", "1", "meta: c is not a finite number"),
        ("alpha", -1.0, "meta: alpha is not above 0"),
        ("tau", True, "meta: tau is not a finite number"),
        ("digest", None, "meta: digest is not text"),
        ("preprocess", [], "meta: preprocess is not an object"),
        ("features", 4, "the weights of a lorentz parts model have the shapes"),
        ("dimension", 2.0, "meta: dimension is not a whole number of at least 0"),
        ("geometry", "euclidean", "the weights of a euclidean parts model have the shapes"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(tmp_path, monkeypatch, key, value, message):
    with pytest.raises(UserError, match=message):
        parts(**{key: value})
    monkeypatch.setattr(Model, "__post_init__", lambda model: None)
    path = save(tmp_path, parts(**{key: value}))
    monkeypatch.undo()
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=False)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("key", [key for key in META if key != "task"])
def test_every_key_of_a_parts_model_is_needed(key):
    with pytest.raises(UserError, match=f"no key '{key}'"):
        Model("parts", weights(), {}, {k: v for k, v in META.items() if k != key})


def test_the_task_is_told_once():
    with pytest.raises(UserError, match="the model's task is 'others', its meta says otherwise"):
        Model("others", weights(), {}, META)


def test_weights_of_another_type_are_refused():
    with pytest.raises(UserError, match="are float32"):
        Model("parts", weights(log_c=np.array(1.0)), {}, META)


@pytest.mark.parametrize(
    ("group", "number", "message"),
    [
        ("weights", np.nan, "weights/head.bias: 1 numbers are not finite"),
        ("weights", np.inf, "weights/head.bias: 1 numbers are not finite"),
        ("encoder", np.nan, "encoder/head.bias: 1 numbers are NaN"),
    ],
)
def test_a_number_that_is_none_is_not_written_and_found(tmp_path, group, number, message):
    path = save(tmp_path, parts())
    before = path.read_bytes()
    bad = {"head.bias": np.array([1, number], np.float32)}
    model = Model(
        "parts", weights() | (bad if group == "weights" else {}),
        bad if group == "encoder" else {}, META,
    )  # fmt: skip
    with pytest.raises(UserError) as caught:
        save(tmp_path, model, overwrite=True)
    assert str(caught.value) == f"{path}: {message}"
    assert [path.read_bytes()] == [file.read_bytes() for file in tmp_path.iterdir()]
    assert path.read_bytes() == before

    def put(file):
        file.require_dataset(f"{group}/head.bias", (2,), "f4")[1] = number

    edit(path, put)
    assert kinds.check(path, full=False) == "model"
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=True)
    assert str(caught.value).startswith(f"{path}: {group}/head.bias: 1 numbers are")


def test_a_mask_of_an_encoder_may_be_infinite(tmp_path):
    mask = {"mask": np.array([0, -np.inf], np.float32)}
    path = save(tmp_path, Model("parts", weights(), mask, META))
    assert kinds.check(path, full=True) == "model"
    assert_same_arrays(read_model(path).encoder, mask)


def test_the_digest_is_that_of_names_types_shapes_and_numbers():
    digest = digest_of(parts())
    assert len(digest) == 64
    assert digest_of(parts(tau=0.5, encoder="other")) == digest
    turned = dict(reversed(weights().items()))
    assert digest_of(Model("parts", turned, {}, META)) == digest
    others = [
        {"head.bias": np.ones(2, np.float64)},
        {"head.bias": np.ones((2, 1), np.float32)},
        {"head.bias": np.array([1, np.nextafter(np.float32(1), np.float32(2))], np.float32)},
        {"log_c": np.float32(-1.25)},
        {"more": np.zeros(0, np.float32)},
    ]
    digests = {tensors.digest({"weights": weights(**other)}) for other in others}
    digests |= {digest, digest_of(Model("parts", weights(), {"a": np.ones(1)}, META))}
    digests.add(tensors.digest({"encoder": weights()}))
    assert len(digests) == len(others) + 3


def test_the_digest_does_not_depend_on_how_memory_is_laid_out():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = [array, np.asfortranarray(array), array.astype(">f4")]
    assert len({tensors.digest({"": {"a": each}}) for each in found}) == 1


@pytest.mark.parametrize("name", ["", "a//b", "/a", "a/", "a\0b", ".", "a/./b", "/".join("a" * 9)])
def test_a_name_that_hdf5_cannot_have_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="an array cannot have the name"):
        save(tmp_path, Model("others", {name: np.ones(1)}, {}, {"task": "others"}))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_array_of_numbers_is_refused(tmp_path):
    path = edit(
        save(tmp_path, parts()), lambda f: f.create_dataset("encoder/a", data=np.array([b"text"]))
    )
    with pytest.raises(UserError, match=r"m\.h5: 'encoder/a' is \|S4"):
        kinds.check(path, full=False)


def test_info_tells_what_it_is_for_and_how_large_it_is(tmp_path):
    path = save(tmp_path, Model("parts", weights(), {"a": np.ones((2, 2))}, META))
    about = describe(path)
    first = ["task", "geometry", "c", "encoder", "parameters", "encoder_parameters"]
    assert list(about)[:6] == first
    assert [about[key] for key in first] == ["parts", "lorentz", 0.5, "lite0", 11, 4]
    assert "encoder_parameters" not in describe(save(tmp_path, parts(), "other.h5"))
