"""One process of the canary: times products of matrices and moves of memory on command.

    pin -> ready;  probe -> nanoseconds of a few runs, and the work of one

Pinned before anything is imported, as an arm is (kdeploy.timing.run.worker). onnxruntime and openvino are run as an arm
runs them, by kdeploy's runtimes on a graph of one MatMul with a stored weight. An engine that is not here gives no
times. torch is imported only for its own probes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from kdeploy.errors import KdeployError
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system import wire
from kdeploy.system.children import die_with_parent
from kdeploy.timing.machine import cpus
from kdeploy.timing.messages import PinCommand, Place, ProbeAnswer, ProbeCommand

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LONG_ENOUGH_NS = 20_000_000
MOST_RUNS = 100
FLOAT_BYTES = 4
# how often a kernel goes through its working set: numpy computes a triad as a = s c, a = a + b
PASSES = {"read": 1.0, "copy": 1.0, "triad": 5 / 3}
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

Run = Callable[[], object]


def probe(place: Place, name: str, size: int, threads: int) -> ProbeAnswer:
    """Run a task for 20 ms or so, after one run that does not count."""
    work = work_of(place, name, size, threads)
    try:
        run = product(name, size, threads) if place == "product" else kernel(name, size, threads, place)
    except (ImportError, KdeployError):
        return {"work": work, "ns": []}
    return {"work": work, "ns": times(run, time.perf_counter_ns)}  # and what it ran on is free again: arms come next


def work_of(place: Place, name: str, size: int, threads: int) -> int:
    """The work of one run of a task: FLOPs of a product, bytes of a kernel.

    In cache one thread runs and stands for all: each has a cache of its own, and to wake one takes longer than the
    kernel does.
    """
    if place == "product":
        return 2 * size**3
    return round(PASSES[name] * size) * (threads if place == "cache" else 1)


def times(run: Run, clock: Callable[[], int]) -> list[int]:
    """The times of at least one run, in ns, after one that does not count."""
    run()
    durations: list[int] = []
    while sum(durations) < LONG_ENOUGH_NS and len(durations) < MOST_RUNS:
        began = clock()
        run()
        durations.append(clock() - began)
    return durations


def product(engine: str, size: int, threads: int) -> Run:
    """The product of two float32 matrices (size, size), to be run.

    Raises: ImportError or KdeployError where the engine is not here.
    """
    x, w = matrix(size, 0), matrix(size, 1)
    if engine == "numpy":
        import numpy as np

        out = np.empty_like(x)
        return lambda: np.matmul(x, w, out=out)
    if engine == "torch":
        import torch

        torch.set_num_threads(threads)
        one, other, output = torch.from_numpy(x), torch.from_numpy(w), torch.empty(size, size)
        return lambda: torch.mm(one, other, out=output)
    return _in_runtime(engine, x, w, threads)


def kernel(name: str, size: int, threads: int, place: Place) -> Run:
    """One pass over a working set of this many bytes; in memory, a part of it for each thread."""
    import numpy as np

    return moves(name, np.ones(size // FLOAT_BYTES, np.float32), threads, place)  # written, so that every page is there


def moves(name: str, buffer: Array, threads: int, place: Place) -> Run:
    """One pass over a float32 buffer (values,)."""
    import numpy as np

    if threads == 1 or place == "cache":
        return _kernel(name, buffer)
    runs = [_kernel(name, part) for part in np.array_split(buffer, threads)]
    pool = ThreadPoolExecutor(threads)  # numpy holds no lock while it computes
    return lambda: list(pool.map(lambda run: run(), runs))


def _kernel(name: str, buffer: Array) -> Run:
    import numpy as np

    if name == "read":
        return lambda: np.dot(buffer, buffer)
    if name == "copy":
        first, second = np.split(buffer[: len(buffer) // 2 * 2], 2)
        return lambda: np.copyto(first, second)
    a, b, c = np.split(buffer[: len(buffer) // 3 * 3], 3)

    def triad() -> None:
        np.multiply(c, 0.5, out=a)
        np.add(a, b, out=a)

    return triad


def matrix(size: int, seed: int) -> Array:
    """A matrix of standard normal draws, float32 (size, size)."""
    import numpy as np

    return np.random.default_rng(seed).standard_normal((size, size), np.float32)


def _in_runtime(name: str, x: Array, w: Array, threads: int) -> Run:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from kdeploy.runtimes import installed
    from kdeploy.runtimes.protocol import Source

    shape = list(x.shape)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(w, "w")],
    )
    inputs = {"x": x}
    with scratch_folder() as scratch:
        path = Path(scratch, "product.onnx")
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
        model = installed.convert(name, Source(path, None, inputs, None), scratch)
        session = installed.find(name).load(model, threads=threads)
    return lambda: session.run(inputs)


def converse(commands: int, answers: int) -> NoReturn:
    """Serve one canary.

    Raises: wire.Closed when it goes away.
    """
    spec = cast("PinCommand", wire.receive(commands))
    die_with_parent(spec["parent"])
    cpus.pin(tuple(spec["cpus"]))
    os.environ.update(dict.fromkeys(VARIABLES, str(spec["threads"])))  # before numpy's library reads them
    wire.send(answers, {})
    while True:
        task = cast("ProbeCommand", wire.receive(commands))
        wire.send(answers, probe(task["place"], task["name"], task["size"], spec["threads"]))


def main() -> int:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the orchestrator ends its canary itself
    commands, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with suppress(wire.Closed):
        converse(commands, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
