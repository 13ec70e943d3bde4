"""The golden run as a process of its own: `python -m kdeploy.bundles.golden` (see kdeploy.system.bounded).

It reads a private copy of the files that were hashed, loads the model and computes the golden samples again. Whatever
the model does to a runtime, it does here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from kdeploy.bundles.problems import translated
from kdeploy.bundles.programs import bundle_core as core
from kdeploy.runtimes import installed
from kdeploy.system import wire
from kdeploy.system.bounded import serve

RUNTIME = "onnxruntime"


def agreement(request: wire.Message, _step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """How the model in the folder that a request names answers; the refusals of its files name the folder `shown`.

    Raises: what `kdeploy.bundles.verify.verify` raises of a model.
    """
    folder, shown = Path(request["folder"]), request["shown"]
    with translated():
        manifest = core.read_manifest(folder, shown)
        contents = {path: core.read_checked(folder, manifest, path, shown) for path in core.NEEDED}
        runtime = installed.find(RUNTIME)
        version = f"{runtime.name} {runtime.version()}"
        with closing(runtime.load(folder / core.MODEL, threads=1)) as session:
            result = core.check_golden(manifest, contents, shown, session.run, version)
    return {"samples": result.samples, "largest_error": result.largest_error, "runtime": version}


if __name__ == "__main__":
    sys.exit(serve(agreement))
