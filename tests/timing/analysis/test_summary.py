from __future__ import annotations

from pathlib import Path

from kdeploy.timing.analysis.summary import arm_names
from tests.timing.scripted import request


def test_two_models_of_one_name_get_two_arm_names(tmp_path: Path) -> None:
    asked = request(tmp_path).comparisons[0]
    same = asked.model_copy(update={"candidate": asked.baseline})
    assert arm_names(same, set()) == ("teacher@onnxruntime-b1-t1", "teacher@onnxruntime-b1-t1-2")
