"""The inspection of a file in a child process of bounded memory, CPU time and wall time: whatever it does there, this
process goes on."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from kdeploy.errors import KdeployError, ResourceError
from kdeploy.graphs.inspector.record import Inspection, InspectionLimits
from kdeploy.graphs.inspector.regular_file import check_file
from kdeploy.system.children import module_command, own_environment
from kdeploy.system.wire import error_from_json

LEAN = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # each thread and arena reserves address space


def inspect(path: Path, limits: InspectionLimits | None = None) -> Inspection:
    """Inspect an ONNX file that may be hostile. Nothing but the child reads it and its side files.

    Raises: ModelError for what is no model, or none that runs here; IntegrityError for external data that leads out of
        the folder or is not all there; NonFiniteError for NaN or infinity among its numbers; ResourceError beyond a
        limit, also when the child was ended.
    """
    limits = limits or InspectionLimits()
    check_file(path, limits)
    try:
        done = subprocess.run(
            module_command("kdeploy.graphs.inspector", str(path), limits.model_dump_json(), str(os.getpid())),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=limits.seconds,
            env=own_environment() | LEAN,
        )
    except subprocess.TimeoutExpired as exc:
        raise _ended(path, limits, f"it took more than {limits.seconds} s") from exc
    return _understood(done, path, limits)


def _understood(done: subprocess.CompletedProcess[bytes], path: Path, limits: InspectionLimits) -> Inspection:
    if done.returncode < 0:
        raise _ended(path, limits, f"signal {-done.returncode}")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise KdeployError(str(path), "must be inspected or refused", got="".join(last)[:300])
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise error_from_json(answer["error"])
    return Inspection.model_validate(answer["inspection"])


def _ended(path: Path, limits: InspectionLimits, got: str) -> ResourceError:
    must = f"must be inspected within {limits.memory_bytes} bytes of memory and {limits.seconds} s"
    return ResourceError(str(path), must, got=got, advice="Do not run it here.")
