"""`python -m kdeploy.timing REQUEST.json OUT_FOLDER`: the orchestrator as a process of its own.

Writes `bench.json` and `raw.jsonl.gz` into the folder. Standard output is for programs, a JSON document a line:
`{"step": ...}` after every replicate, `{"said": ...}` for people, and `{"error": ...}` as the last line of a run that
failed. A first SIGINT or SIGTERM ends the workers and keeps the raw samples so far; a second one ends everything at
once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kdeploy.errors import Interrupted, KdeployError, UsageError
from kdeploy.system.children import die_with_parent
from kdeploy.system.host import allowed_cpus
from kdeploy.timing.raw import RECORD_NAME
from kdeploy.timing.request import Settings, read_request
from kdeploy.timing.run.orchestrator import Step, measure
from kdeploy.timing.run.quiet import Watch


def main(arguments: list[str]) -> int:
    """Run the benchmark that the arguments name; the exit code, with the error as the last line of output."""
    die_with_parent(os.getppid(), signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the parent held it back until here
        benchmark(arguments)
    except Interrupted as exc:
        say({"error": exc.as_json()})
        return exc.code
    except KdeployError as exc:
        say({"error": exc.as_json()})
        return exc.exit_code
    return 0


def benchmark(arguments: list[str]) -> None:
    """Measure the request of the first argument and write its record into the folder of the second.

    Raises: UsageError for other than two arguments, and what `read_request` and `measure` raise.
    """
    if len(arguments) != 2:
        raise UsageError("python -m kdeploy.timing", "must be given a request and a folder", got=f"{arguments}")
    request, folder = read_request(Path(arguments[0])), Path(arguments[1])
    record = measure(request, folder, progress=tell, watch=watch(request.settings))
    unfinished = folder / f".{RECORD_NAME}.{os.getpid()}"
    unfinished.write_bytes(record.sealed())
    unfinished.replace(folder / RECORD_NAME)


def watch(settings: Settings) -> Watch | None:
    """Who says what disturbs the measurement; nobody where every block counts, however busy the machine is."""
    return Watch(settings, allowed_cpus(), say=lambda text: say({"said": text})) if settings.limits.voids else None


def interrupt(number: int, _frame: object) -> None:
    """Handle a first SIGINT or SIGTERM: raises Interrupted, and the next one ends the process at once."""
    for again in (signal.SIGINT, signal.SIGTERM):
        signal.signal(again, signal.SIG_DFL)
    raise Interrupted("bench", number, advice="The raw samples measured so far were kept; run the same command again.")


def tell(step: Step) -> None:
    """Write a step of the measurement on standard output."""
    say({"step": asdict(step)})


def say(document: dict[str, Any]) -> None:
    """Write one JSON document as a line on standard output."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
