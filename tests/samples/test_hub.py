"""A data set in the hub's cache, as the hub's own library lays it out; nothing here asks the network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdeploy.errors import DataError, KdeployError, MissingError
from kdeploy.samples.sources import content_hash, load
from tests.samples.test_parquet import good

hub = pytest.importorskip("huggingface_hub", reason="data sets are fetched by the extra 'hub'")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot folder of `org/pets` at its main revision, offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    data_set = tmp_path / "datasets--org--pets"
    (data_set / "refs").mkdir(parents=True)
    (data_set / "refs" / "main").write_text(COMMIT)
    snapshot = data_set / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    return snapshot


def filled(folder: Path) -> dict[str, str]:
    folder.mkdir(parents=True)
    return good(folder)


def refused(name: str, kind: type[KdeployError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        load({"hub": name})
    return str(caught.value)


@pytest.mark.parametrize("name", ["org/pets", "org/pets/data", f"org/pets@{COMMIT}"])
def test_a_cached_data_set_is_its_parquet_folder(cache: Path, name: str):
    parquet = filled(cache / "data")
    found, local = load({"hub": name}), load(parquet)
    assert found.sample_hash == local.sample_hash
    assert content_hash({"hub": name}) == content_hash(parquet)
    assert found.record.source == {"hub": name}


def test_one_of_several_folders_must_be_named(cache: Path):
    for folder in ("large", "small"):
        filled(cache / folder)
    assert refused("org/pets") == (
        "data.hub org/pets: must name one of its folders (large, small). Write hub: org/name/folder."
    )
    assert len(load({"hub": "org/pets/small"})) == 50


def test_a_data_set_without_parquet_is_refused(cache: Path):
    (cache / "pets.py").write_text("raise SystemExit('this would have been run')")
    assert refused("org/pets") == (
        "data.hub org/pets: must hold parquet files (none). "
        "Download it, convert it to parquet, and name its folder under data.parquet."
    )


def test_without_a_network_what_is_not_cached_is_refused(cache: Path):
    assert refused("org/cars") == (
        "data.hub org/cars: must be reachable on the Hugging Face hub, or in its cache (no connection). "
        "Connect once, or name a folder with its parquet files under data.parquet."
    )


def test_what_the_hub_refuses_is_refused_with_its_reason(cache: Path):
    with pytest.raises(DataError) as caught:
        load({"hub": "org/a--b"})
    reason = str(caught.value.__cause__).splitlines()[0].rstrip(".")
    assert str(caught.value) == (
        f"data.hub org/a--b: must be a data set on the Hugging Face hub ({reason}). "
        "Check its name, and whether it asks for a login."
    )
    assert "a--b" in reason


@pytest.mark.parametrize("name", ["pets", "org/../pets", "/etc/passwd", "org/pets@"])
def test_what_is_no_name_is_refused(name: str):
    assert refused(name) == f"data.hub: must be org/name, org/name/folder or org/name@revision ({name})."


def test_a_missing_package_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert refused("org/pets", MissingError) == (
        "data.hub: must find the package huggingface_hub (not installed). Install it with: pip install 'kdeploy[hub]'"
    )
