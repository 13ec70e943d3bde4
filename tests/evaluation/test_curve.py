from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.errors import IntegrityError
from kdeploy.evaluation import curve


def test_a_curve_is_read_as_it_was_kept(tmp_path: Path):
    path = tmp_path / "student-0.curve.json"
    assert curve.read(path) == []
    curve.keep(path, [0.25, 0.5])
    assert curve.read(path) == [0.25, 0.5]


def test_a_curve_that_was_altered_is_refused(tmp_path: Path):
    path = tmp_path / "student-0.curve.json"
    curve.keep(path, [0.25, 0.5])
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.6"))
    with pytest.raises(IntegrityError):
        curve.read(path)
