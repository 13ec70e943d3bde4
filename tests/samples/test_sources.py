from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.errors import DataError
from kdeploy.samples.builtin import Builtin
from kdeploy.samples.numpy_file import NumpyFile
from kdeploy.samples.parquet import ParquetFolder
from kdeploy.samples.sources import source_of


def test_each_key_names_its_source():
    assert source_of({"source": "mnist-5k"}) == Builtin("mnist-5k")
    assert source_of({"parquet": "a/b"}) == ParquetFolder(Path("a/b"))
    assert source_of({"numpy": "x.npz"}) == NumpyFile(Path("x.npz"))


@pytest.mark.parametrize(
    ("settings", "got"),
    [({}, "nothing"), ({"csv": "x"}, "csv"), ({"source": "mnist-5k", "numpy": "x"}, "source, numpy")],
)
def test_exactly_one_key_is_required(settings: dict[str, str], got: str):
    with pytest.raises(DataError) as caught:
        source_of(settings)
    assert (
        str(caught.value)
        == f"data: must have one of the keys source, parquet, numpy, images, audio, hub, phones, timit ({got})."
    )
