"""External models as verbs work on them: the file itself, or a plain copy that stands for it in messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy.graphs.inspector.record import Inspection
from kdeploy.runtimes.scratch import scratch_folder


@contextmanager
def plain_model(path: Path, inspection: Inspection) -> Iterator[Path]:
    """The file to work on in place of an inspected model, for as long as this lasts.

    Raises: what `kdeploy.transforms.plain.plain_file` raises.
    """
    if inspection.left_out == 0 and all(len(value.shape) == 2 for value in inspection.outputs):
        yield path
        return
    from kdeploy.transforms.plain import plain_file

    with scratch_folder(str(path)) as folder:
        yield plain_file(path, folder)
