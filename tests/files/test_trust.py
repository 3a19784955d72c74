"""Hostile files: each is refused by its name, nothing of it is read, and soon."""

import os
import time

import h5py
import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import embeddings, hdf5, inputs, kinds, trust
from hiertools.files.items import Items, encode
from tests.files import test_checkpoint, test_index, test_model, test_results

SECRET = b"the secret of another file"
SOON_S = 1.0  # of work; one that waits for a pipe never ends
TERABYTES = 40 * 10**12


def external_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = np.frombuffer(SECRET, np.uint8)
    file["hostile"] = h5py.ExternalLink(str(folder / "secret.h5"), "/x")


def dangling_external_link(file, folder):
    file["hostile"] = h5py.ExternalLink("/dev/stdin", "/x")


def soft_link(file, folder):
    file["hostile"] = h5py.SoftLink("/meta")


def dangling_soft_link(file, folder):
    file["hostile"] = h5py.SoftLink("/nowhere")


def soft_link_in_items(file, folder):
    file["items/image"] = h5py.SoftLink("/items/id")


def external_storage(file, folder):
    (folder / "secret").write_bytes(SECRET)
    place = [(str(folder / "secret"), 0, len(SECRET))]
    file.create_dataset("hostile", (len(SECRET),), "u1", external=place)


def external_pipe(file, folder):
    os.mkfifo(folder / "pipe")
    del file["vectors"]
    file.create_dataset("vectors", (2, 1), "f4", external=[(str(folder / "pipe"), 0, 8)])


def virtual(file, folder):
    os.mkfifo(folder / "pipe")
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(folder / "pipe", "x", (4,))
    file.create_virtual_dataset("hostile", layout)


def virtual_without_end(file, folder):
    os.mkfifo(folder / "pipe")
    layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,))
    source = h5py.VirtualSource(folder / "pipe", "x", (4,), maxshape=(None,))
    layout[0 : h5py.h5s.UNLIMITED : 1] = source[0 : h5py.h5s.UNLIMITED : 1]
    file.create_virtual_dataset("hostile", layout)


def reference(file, folder):
    file.create_dataset("hostile", data=np.array([file["meta"].ref], h5py.ref_dtype))


def region(file, folder):
    data = np.array([file["meta"].regionref[:1]], h5py.regionref_dtype)
    file.create_dataset("hostile", data=data)


def long_text(file, folder):
    file.create_dataset("hostile", data=["text of any length"], dtype=h5py.string_dtype())


def long_arrays(file, folder):
    file.create_dataset("hostile", (1,), h5py.vlen_dtype(np.int32))


def compound(file, folder):
    file["hostile"] = np.zeros(2, [("a", "i4"), ("b", "f4")])


def array_type(file, folder):
    file.create_dataset("hostile", (2,), np.dtype("(3,)f4"))


def opaque(file, folder):
    file["hostile"] = np.array([b"1234"], "V4")


def complex_numbers(file, folder):
    file["hostile"] = np.zeros(2, np.complex64)


def gzip_filter(file, folder):
    file.create_dataset("hostile", data=np.zeros(10**6, np.uint8), compression="gzip")


def lzf_filter(file, folder):
    file.create_dataset("hostile", data=np.zeros(1000), compression="lzf")


def shuffle_filter(file, folder):
    file.create_dataset("hostile", data=np.zeros(10), chunks=(5,), shuffle=True)


def unknown_filter(file, folder):
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((5,))
    creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((10,))
    h5py.h5d.create(file.id, b"hostile", h5py.h5t.NATIVE_INT8, space, creation)


def terabytes(file, folder):
    file.create_dataset("hostile", (TERABYTES // 4,), "f4", chunks=(1 << 20,))


def terabytes_of_vectors(file, folder):
    del file["vectors"]
    file.create_dataset("vectors", (TERABYTES // 4096, 1024), "f4")


def terabytes_of_ids(file, folder):
    del file["items/id"]
    file.create_dataset("items/id", (TERABYTES // 100,), "S100", chunks=(10,), fletcher32=True)


def more_than_any_number(file, folder):
    file.create_dataset("hostile", (2**31, 2**31), "f8", chunks=(1, 1))


def never_written(file, folder):
    file.create_dataset("hostile", (10,), "f4", fillvalue=1.0)


def hard_link_cycle(file, folder):
    file["hostile/loop"] = file["/"]


def short_cycle(file, folder):
    group = file.create_group("hostile")
    group["self"] = group


def same_dataset_twice(file, folder):
    file["hostile"] = file["meta"]


def deep(file, folder):
    file.create_group("/".join(["deep"] * 200))


def thousands(file, folder):
    for number in range(trust.MAX_OBJECTS):
        file.create_group(f"hostile{number}")


def huge_attribute(file, folder):
    file.attrs["hostile"] = np.zeros(10**6)


def many_attributes(file, folder):
    for number in range(200):
        file["meta"].attrs[f"hostile{number}"] = number


def text_attribute(file, folder):
    file["vectors"].attrs["hostile"] = "text of any length"


def reference_attribute(file, folder):
    file.attrs["hostile"] = file["meta"].ref


def compound_attribute(file, folder):
    file.attrs["hostile"] = np.zeros(1, [("a", "i4")])


def empty_attribute(file, folder):
    file.attrs["kind"] = h5py.Empty("S10")


def named_type(file, folder):
    file["hostile"] = np.dtype("f4")


def odd_name(file, folder):
    file[b"\xff"] = np.zeros(1)


HOSTILE = {
    external_link: "is a ExternalLink",
    dangling_external_link: "is a ExternalLink",
    soft_link: "is a SoftLink",
    dangling_soft_link: "is a SoftLink",
    soft_link_in_items: "/items/image: is a SoftLink",
    external_storage: "is stored in another file",
    external_pipe: "is stored in another file",
    virtual: "is a virtual dataset",
    virtual_without_end: "is a virtual dataset",
    reference: "has the type object",
    region: "has the type object",
    long_text: "has the type object",
    long_arrays: "has the type object",
    compound: "has the type",
    array_type: "has the type",
    opaque: "has the type",
    complex_numbers: "has the type complex64",
    gzip_filter: "uses the filters [1]",
    lzf_filter: "uses the filters",
    shuffle_filter: "uses the filters",
    unknown_filter: "uses the filters [32015]",
    terabytes: "declares 40,000,000,000,000 bytes and holds 0",
    terabytes_of_vectors: "and holds 0",
    terabytes_of_ids: "declares 40,000,000,000,000 bytes and holds 0",
    more_than_any_number: "declares 36,893,488,147,419,103,232 bytes and holds 0",
    never_written: "declares 40 bytes and holds 0",
    hard_link_cycle: "links in circles",
    short_cycle: "links in circles",
    same_dataset_twice: "links in circles",
    deep: "groups nested too deeply",
    thousands: "too many objects",
    huge_attribute: "@hostile: is larger than any attribute of ours",
    many_attributes: "too many attributes",
    text_attribute: "has the type object",
    reference_attribute: "has the type object",
    compound_attribute: "has the type",
    empty_attribute: "damaged HDF5",
    named_type: "is a Datatype",
    odd_name: "damaged HDF5",
}


@pytest.fixture
def make(tmp_path):
    """Make a sound embeddings file with something hostile in it, in the format of our own."""

    def run(hostile):
        path = tmp_path / f"{hostile.__name__}.h5"
        vectors, table = np.ones((2, 1), np.float32), Items(encode(["a", "b"]))
        embeddings.write_embeddings(path, [vectors], 1, table, meta={}, chain=[], overwrite=False)
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            hostile(file, tmp_path)
        return path

    return run


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Let every reading of data fail the test."""

    def read(self, *arguments, **options):
        raise AssertionError("data was read")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", read)
    monkeypatch.setattr(h5py.Dataset, "__array__", read)
    monkeypatch.setattr(np, "memmap", read)


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda function: function.__name__)
def test_what_is_hostile_is_refused_unread_and_soon(make, hostile):
    path = make(hostile)
    for call in (kinds.header, embeddings.read_embeddings):
        start = time.process_time()
        with pytest.raises(UserError) as caught:
            call(path)
        assert time.process_time() - start < SOON_S
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert HOSTILE[hostile] in message
        assert "\n" not in message
        assert len(message) < 1000
        assert SECRET.decode() not in message


def external_weight(file, folder):
    file["weights/more"] = h5py.ExternalLink("/dev/stdin", "/x")


def soft_weight(file, folder):
    file["weights/more"] = h5py.SoftLink("/weights")


def weights_of_any_length(file, folder):
    file.create_dataset("encoder/more", (1,), h5py.vlen_dtype(np.float32))


def terabytes_of_weights(file, folder):
    del file["weights/head.weight"]
    shape, chunks = (TERABYTES // 4096, 1024), (1, 1024)
    file.create_dataset("weights/head.weight", shape, "f4", chunks=chunks, fletcher32=True)


def group_in_weights(file, folder):
    file["weights/loop"] = file["weights"]


def external_structure(file, folder):
    del file["structure"]
    os.mkfifo(folder / "pipe")
    file.create_dataset("structure", (9,), "u1", external=[(str(folder / "pipe"), 0, 9)])


def terabytes_of_structure(file, folder):
    del file["structure"]
    file.create_dataset("structure", (TERABYTES,), "u1", chunks=(1 << 20,), fletcher32=True)


def packed_structure(file, folder):
    del file["structure"]
    file.create_dataset("structure", data=np.zeros(10**6, np.uint8), compression="gzip")


def terabytes_of_hits(file, folder):
    for name in ("ids/codes", "labels/codes"):
        del file[name]
        file.create_dataset(name, (TERABYTES // 4,), "i4", chunks=(1 << 20,))


def text_of_any_length(file, folder):
    del file["queries"]
    file.create_dataset("queries", data=["q"], dtype=h5py.string_dtype())


def deep_arrays(file, folder):
    file["arrays/" + "/".join("a" * 9)] = np.ones(1)


ELSEWHERE = {
    external_weight: (test_model, "/weights/more: is a ExternalLink"),
    soft_weight: (test_model, "/weights/more: is a SoftLink"),
    weights_of_any_length: (test_model, "/encoder/more: has the type object"),
    terabytes_of_weights: (test_model, "/weights/head.weight: declares 40,000,000,000,000 bytes"),
    group_in_weights: (test_model, "/weights/loop: links in circles"),
    external_structure: (test_index, "/structure: is stored in another file"),
    terabytes_of_structure: (test_index, "/structure: declares 40,000,000,000,000 bytes"),
    packed_structure: (test_index, "/structure: uses the filters [1]"),
    terabytes_of_hits: (test_results, "/ids/codes: declares 40,000,000,000,000 bytes"),
    text_of_any_length: (test_results, "/queries: has the type object"),
    deep_arrays: (test_checkpoint, "groups nested too deeply"),
}


@pytest.mark.usefixtures("nothing_is_read")
@pytest.mark.parametrize("hostile", ELSEWHERE, ids=lambda function: function.__name__)
def test_what_is_hostile_in_other_kinds_is_refused_unread(tmp_path, hostile):
    module, message = ELSEWHERE[hostile]
    path = tmp_path / "hostile.h5"
    module.sample(path)
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        hostile(file, tmp_path)
    for kind in kinds.KINDS.values():
        with pytest.raises(UserError) as caught:
            kind.check(path, full=True)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=False)
    assert message in str(caught.value)


def test_the_file_of_40_tb_is_small(make):
    assert make(terabytes).stat().st_size < 20_000


def test_the_command_refuses_each_and_ends(make, hier):
    hostiles = (virtual, external_link, external_storage, terabytes)
    paths = [make(hostile) for hostile in hostiles]
    result = hier("check", "--full", *paths)
    assert result.returncode == 3
    assert result.stderr == "hiertools check: 4 of 4 files are not sound\n"
    assert result.stdout.count("not a file of ours, not read\n") == 4
    assert SECRET.decode() not in result.stdout


def test_standard_input_is_no_hdf5():
    for call in (hdf5.reading, lambda path: hdf5.reading_kind(path, "pairs", 1)):
        with (
            pytest.raises(UserError, match="HDF5 does not come through a pipe"),
            call(inputs.STDIN),
        ):
            pass


def test_our_own_file_of_every_column_is_trusted(tmp_path):
    n = 3
    flags = dict.fromkeys(
        ("occluded", "truncated", "group_of", "depiction", "inside"), np.ones(n, bool)
    )
    table = Items(
        encode(["a", "b", "c"]),
        encode(["a", "a", ""]),
        np.zeros(n, np.uint8),
        box=np.zeros((n, 4)),
        latitude=np.zeros(n),
        longitude=np.zeros(n),
        **flags,
    )
    path = tmp_path / "e.h5"
    vectors = np.zeros((n, 2), np.float32)
    embeddings.write_embeddings(path, [vectors], 2, table, meta={}, chain=[], overwrite=False)
    with h5py.File(path) as file:
        trust.check_hdf5(file, str(path))
    assert kinds.check(path, full=True) == "embeddings"


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("a.jpg", "a.jpg"),
        ("train/a.jpg", "train/a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("train//a.jpg", "train/a.jpg"),
        ("train\\a.jpg", "train/a.jpg"),
        ("a..b/..c.jpg", "a..b/..c.jpg"),
        ("日本/ü.jpg", "日本/ü.jpg"),
        ("-", "-"),
    ],
)
def test_a_path_inside_is_kept(path, kept):
    assert trust.check_inside(path, "boxes.json") == kept


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//server/share",
        "../a.jpg",
        "train/../../a.jpg",
        "train/..",
        "..",
        "\\etc\\passwd",
        "..\\a.jpg",
        "train\\..\\..\\a.jpg",
        "a\0.jpg",
        "",
        ".",
    ],
)
def test_a_path_that_leaves_is_refused(path):
    with pytest.raises(UserError, match=r"^boxes\.json: the image path .* leaves the folder"):
        trust.check_inside(path, "boxes.json")
