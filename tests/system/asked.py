"""A child that does what its request says, for test_bounded.py: python -m tests.system.asked."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdeploy.errors import IntegrityError
from kdeploy.system import wire
from kdeploy.system.bounded import serve


def work(request: wire.Message, step: Callable[[wire.Message], None]) -> dict[str, Any]:
    match request["do"]:
        case "answer":
            sys.stdout.write("what a library prints")
            sys.stdout.flush()
            step({"say": 1})
            step({"say": 2})
            return {"answer": request["value"], "stdin": sys.stdin.read()}
        case "refuse":
            raise IntegrityError("x", "must be y", got="z", advice="Do w.")
        case "allocate":
            bytearray(2**34)
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(600)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "leave":
            sys.stderr.write(request.get("saying", ""))
            sys.stderr.flush()
            os._exit(0)
        case "mute":
            os.closerange(3, 100)
            os.close(1)
            time.sleep(600)
        case "import":
            importlib.import_module("no_such_package")
        case "write":
            Path(request["path"]).write_bytes(b"")
        case "start":
            child = subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return {"pid": child.pid}
    raise ValueError(request.get("saying", "a bug"))


if __name__ == "__main__":
    sys.exit(serve(work))
