"""The child: limit this process, inspect one file, print the record or the error as one line of JSON.

`python -m kdeploy.graphs.inspector PATH LIMITS PARENT`. The limits are set before onnx is imported, so that they bound
it too.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from kdeploy.errors import KdeployError, ResourceError
from kdeploy.graphs.inspector.record import InspectionLimits
from kdeploy.system.children import die_with_parent


def limit(limits: InspectionLimits) -> None:
    """Bound memory and CPU time, and leave no core dump."""
    bounds = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.seconds,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in bounds.items():
        _, hard = resource.getrlimit(kind)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (allowed, allowed))


def answer(path: Path, limits: InspectionLimits) -> str:
    """The inspection of a file, or its error, as JSON: `{"inspection": ...}` or `{"error": ...}`."""
    try:
        from kdeploy.graphs.inspector.contents import inspect_contents

        return json.dumps({"inspection": inspect_contents(path, limits).model_dump(mode="json")})
    except KdeployError as exc:
        return json.dumps({"error": exc.as_json()})
    except MemoryError:
        must = f"must be inspected within {limits.memory_bytes} bytes of memory"
        return json.dumps({"error": ResourceError(str(path), must, got="it needs more").as_json()})


def main() -> None:
    """Inspect the file that the arguments name, and print the answer."""
    path, text, parent = sys.argv[1:]
    die_with_parent(int(parent))
    limits = InspectionLimits.model_validate_json(text)
    limit(limits)
    sys.stdout.write(answer(Path(path), limits))


if __name__ == "__main__":
    main()
