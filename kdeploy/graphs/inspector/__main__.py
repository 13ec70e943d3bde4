"""The child: within the limits that the parent names, inspect one file.

`python -m kdeploy.graphs.inspector`. The limits are set before onnx is imported, so that they bound it too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdeploy.graphs.inspector.record import InspectionLimits
from kdeploy.system import wire
from kdeploy.system.bounded import serve


def inspected(request: wire.Message, _step: Callable[[wire.Message], None]) -> dict[str, Any]:
    """The inspection of the file that a request names, as JSON."""
    from kdeploy.graphs.inspector.contents import inspect_contents

    limits = InspectionLimits.model_validate(request["limits"])
    path, where, shape = Path(request["path"]), request["where"], request["shape"]
    return inspect_contents(path, limits, where=where, shape=shape).model_dump(mode="json")


if __name__ == "__main__":
    sys.exit(serve(inspected))
