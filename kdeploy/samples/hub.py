"""Parquet files of a data set on the Hugging Face hub: `org/name`, `org/name/folder` or `org/name@revision`.

Only parquet files are fetched, into the hub library's own cache, and nothing that is fetched is run: loading scripts
are left where they are. Without a network the cache has to do. A revision makes a recipe mean the same data tomorrow;
its content hash is over the files themselves in any case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kdeploy.errors import DataError, MissingError
from kdeploy.samples.contents import Contents
from kdeploy.samples.parquet import AS_THEY_ARE, AS_THEY_SOUND, ParquetFolder
from kdeploy.samples.parquet_files import folder_of
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.room import Room
from kdeploy.samples.sounds import Sounds

_STEP = r"\w[\w.-]*"  # no step begins with a dot, so that none leads out of the data set
NAME = re.compile(rf"(?P<repository>{_STEP}/{_STEP})(?:/(?P<folder>{_STEP}(?:/{_STEP})*))?(?:@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class HubDataset:
    """A data set by its name on the hub."""

    name: str
    pictures: Pictures = AS_THEY_ARE
    sounds: Sounds = AS_THEY_SOUND
    groups: str | None = None
    x: str | None = None
    y: str | None = None

    @property
    def where(self) -> str:
        return f"data.hub {self.name}"

    @property
    def origin(self) -> dict[str, str]:
        return {"hub": self.name}

    def files(self) -> Sequence[Path | str]:
        """Every file that the content hash is over."""
        return self._local.files()

    def content_hash(self) -> str:
        return self._local.content_hash()

    def contents(self, room: Room) -> Contents:
        return self._local.contents(room)

    @cached_property
    def _local(self) -> ParquetFolder:
        """The one folder of its files, fetched where it is not in the cache."""
        named = NAME.fullmatch(self.name)
        if named is None:
            raise DataError("data.hub", "must be org/name, org/name/folder or org/name@revision", got=self.name)
        root = self._fetched(named["repository"], named["revision"], named["folder"])
        inside = root / (named["folder"] or "")
        folders = sorted({folder_of(file) for file in inside.rglob("*.parquet")})
        if len(folders) == 1:
            return ParquetFolder(folders[0], self.pictures, self.sounds, self.groups, self.x, self.y)
        if folders:
            names = ", ".join(folder.relative_to(root).as_posix() for folder in folders)
            advice = "Write hub: org/name/folder."
            raise DataError(self.where, "must name one of its folders", got=names, advice=advice)
        advice = "Download it, convert it to parquet, and name its folder under data.parquet."
        raise DataError(self.where, "must hold parquet files", got="none", advice=advice)

    def _fetched(self, repository: str, revision: str | None, folder: str | None) -> Path:
        try:
            from huggingface_hub import snapshot_download
            from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
        except ImportError as exc:
            must, advice = "must find the package huggingface_hub", "Install it with: pip install 'kdeploy[hub]'"
            raise MissingError("data.hub", must, got="not installed", advice=advice) from exc
        pattern = f"{folder}/*.parquet" if folder else "*.parquet"
        try:
            cache = snapshot_download(repository, repo_type="dataset", revision=revision, allow_patterns=pattern)
        except LocalEntryNotFoundError as exc:
            must = "must be reachable on the Hugging Face hub, or in its cache"
            advice = "Connect once, or name a folder with its parquet files under data.parquet."
            raise DataError(self.where, must, got="no connection", advice=advice) from exc
        except (HfHubHTTPError, OSError, ValueError) as exc:
            reason = (str(exc).strip() or type(exc).__name__).splitlines()[0].rstrip(".")
            advice = "Check its name, and whether it asks for a login."
            raise DataError(
                self.where, "must be a data set on the Hugging Face hub", got=reason, advice=advice
            ) from exc
        return Path(cache)
