"""kdeploy bundle: the deployment bundle of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.cli.following import following
from kdeploy.cli.stage_verb import Follow, stage_verb
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.api import FinishedRun


def show(run: FinishedRun, _follow: Follow) -> None:
    from kdeploy.cli import output

    record, folder = run.bundle, run.folder("bundle")
    output.line(f"bundle: {folder / record.folder} ({len(record.files)} files, {numbers.size(record.bytes)})")
    output.line(
        f"zip: {folder / record.archive} ({numbers.size(record.archive_bytes)}, sha256 {record.archive_sha256})"
    )
    output.next_command(following("verify", folder / record.archive))


command = stage_verb(
    "bundle",
    "Write the shipped student with all it takes to run it and to prove it, as a folder and a zip.",
    lambda run: run.bundle,
    show,
)
