"""What a record says of its files, and which record a run has seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kdeploy.errors import InputError, IntegrityError
from kdeploy.records.provenance import FileDigest, Finished, Provenance, read_finished
from kdeploy.records.seal import sealed

AGAIN = "Do it again: kdeploy run RUN --force bench, or remove its folder."


def written(path: Path, **provenance: object) -> str:
    """Write a record; its seal."""
    document = {"schema": "a/1", "provenance": {"files": {}, "rests_on": {}, "replaces": []} | provenance}
    path.write_bytes(sealed(json.dumps(document, indent=1) + "\n"))
    return str(json.loads(path.read_bytes())["seal"])


def test_a_record_is_the_one_that_a_run_has_seen_or_has_replaced_it(tmp_path):
    path = tmp_path / "record.json"
    seal = written(path, replaces=["ab"])
    for seen in (None, seal, "ab"):
        assert read_finished(path, stage="bench", seen=seen).seals == ("ab", seal)
    with pytest.raises(IntegrityError) as caught:
        read_finished(path, stage="bench", seen="0123456789abcdef")
    assert str(caught.value) == (
        f"{path}: must be the record that the run has seen (sealed {seal[:12]}, the run has seen 0123456789ab). {AGAIN}"
    )


def test_a_record_that_was_altered_or_is_not_there_is_named(tmp_path):
    path = tmp_path / "record.json"
    with pytest.raises(InputError) as missing:
        read_finished(path, stage="bench")
    assert str(missing.value) == (
        f"{path}: must be the record of a finished stage (there is no such file). "
        "Finish the recipe first: kdeploy run RECIPE."
    )
    written(path)
    path.write_bytes(path.read_bytes().replace(b"a/1", b"a/2"))
    with pytest.raises(IntegrityError) as altered:
        read_finished(path, stage="bench")
    assert str(altered.value).endswith(AGAIN)


def test_two_works_with_the_same_files_say_the_same_unless_they_measured():
    files = {"a": FileDigest(sha256="1", bytes=1), "b": FileDigest(sha256="2", bytes=1)}
    one, other = (Finished(seal, {"ns": seal}, Provenance(files=files, rests_on={})) for seal in ("x", "y"))
    assert one.source(measures=False).content == other.source(measures=False).content
    assert one.source(measures=True).content != other.source(measures=True).content
    changed = Finished("x", {}, Provenance(files=files | {"b": FileDigest(sha256="3", bytes=1)}, rests_on={}))
    assert one.source(measures=False).content != changed.source(measures=False).content


@pytest.mark.parametrize("provenance", ["", '"provenance": {"files": 1}, '], ids=["none", "another"])
def test_a_sealed_document_of_another_kind_is_no_record_of_a_stage(provenance: str, tmp_path: Path):
    path = tmp_path / "record.json"
    path.write_bytes(sealed(f'{{\n {provenance}"name": "tiny"\n}}\n'))
    with pytest.raises(IntegrityError) as caught:
        read_finished(path, stage="bench")
    must = "must be the record of a finished stage (it does not say what it was made from)"
    assert str(caught.value) == f"{path}: {must}. {AGAIN}"
