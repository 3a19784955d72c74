"""Parts of an output that is not whole yet: when an earlier run is in the way."""

import pytest

from hiertools.errors import OutputExistsError
from hiertools.files import parts


def test_an_empty_folder_is_no_earlier_run(tmp_path):
    folder = parts.folder_of(tmp_path / "out.h5")
    folder.mkdir()
    assert parts.begin(folder, lambda path: path, resume=False, overwrite=False) == []
    parts.path_of(folder, 0).touch()
    with pytest.raises(OutputExistsError, match="stopped half-way"):
        parts.begin(folder, lambda path: path, resume=False, overwrite=False)
    assert parts.begin(folder, lambda path: path, resume=False, overwrite=True) == []
    assert folder.is_dir()
    assert not any(folder.iterdir())
