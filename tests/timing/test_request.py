from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.errors import InputError
from kdeploy.timing.request import Request, Settings, read_request


def test_a_request_survives_its_file(tiny: Request, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text(tiny.model_dump_json())
    assert read_request(path) == tiny


def test_a_request_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    with pytest.raises(InputError) as caught:
        read_request(path)
    assert str(caught.value) == f"{path}: must be a file that can be read (No such file or directory)."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"comparisons": []}', "comparisons: Tuple should have at least 1 item after validation, not 0"),
        ("{}", "comparisons: Field required"),
        ("7", "the document: Input should be an object"),
    ],
)
def test_a_request_that_is_not_one_names_the_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "request.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_request(path)
    assert str(caught.value) == f"{path}: must be a request for a benchmark ({problem})."


def test_a_quick_measurement_has_too_few_replicates_for_a_claim() -> None:
    assert Settings.quick(Settings(seed=3)).looks == (8,)
    assert Settings.quick(Settings(seed=3)).seed == 3
