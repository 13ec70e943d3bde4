"""Several processes on one training, as `torchrun` and `accelerate launch` start them.

    batch        process r of n takes rows r, r + n, r + 2n, ... of every batch plan
    gradient     the mean over the processes, each weighted by its rows: that of the whole batch
    everything else that writes or prints is done on the first process, and the others wait for its result

The launcher tells each process its place in the environment variables RANK, LOCAL_RANK and WORLD_SIZE.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from kdeploy.errors import Interrupted, KdeployError, OtherProcessFailed, ResourceError

if TYPE_CHECKING:
    from torch import Tensor

_PATIENCE = timedelta(days=7)  # labels of a large transfer set take hours, and the others wait

T = TypeVar("T")


def count() -> int:
    """The number of processes."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def rank() -> int:
    """The number of this process among all of them, from 0."""
    return int(os.environ.get("RANK") or 0)


def local_rank() -> int:
    """The number of this process among those of this machine, from 0: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK") or 0)


def is_first() -> bool:
    return rank() == 0


def on_first(work: Callable[[], T]) -> T:
    """Do something on the first process; every process gets its value, which can be pickled, or fails as it did.

    Raises: OtherProcessFailed on the others when the work failed; the first process raises the error itself.
    """
    if count() == 1:
        return work()
    if not is_first():
        failed, value = _broadcast(None)
        if failed:
            raise OtherProcessFailed("the first process", "must succeed", code=int(value))
        return cast("T", value)
    try:
        value = work()
    except BaseException as exc:
        _broadcast((True, _code_of(exc)))
        raise
    _broadcast((False, value))
    return value


def mean(tensors: list[Tensor], weight: float) -> None:
    """Replace tensors, in place, by their weighted means over the processes: in one exchange, which has its price.

    Args:
        tensors: of any shapes, which are the same on every process, and of one dtype and device.
        weight: of this process; the rows that its tensors are a mean of.
    Raises: ResourceError when another process is not there any more.
    """
    import torch
    from torch import distributed

    _join()
    # (elements of all tensors + 1,): the last one is the weight
    flat = torch.cat([*(tensor.flatten() for tensor in tensors), torch.ones_like(tensors[0]).flatten()[:1]]) * weight
    try:
        distributed.all_reduce(flat)
    except RuntimeError as exc:
        raise _lost(exc) from exc
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, part in zip(tensors, torch.split(flat[:-1] / flat[-1], sizes), strict=True):
        tensor.copy_(part.view_as(tensor))


def _broadcast(outcome: tuple[bool, Any] | None) -> tuple[bool, Any]:
    from torch import distributed

    _join()
    box = [outcome]
    try:
        distributed.broadcast_object_list(box, src=0)
    except RuntimeError as exc:
        raise _lost(exc) from exc
    return cast("tuple[bool, Any]", box[0])


def _join() -> None:
    """Meet the other processes, once."""
    import torch
    from torch import distributed

    if distributed.is_initialized():
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
    # objects and CPU tensors go through gloo, tensors on a GPU through NCCL
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    # left to the end of the interpreter, gloo's threads may end the process with an abort in place of its exit code
    atexit.register(distributed.destroy_process_group)


def _code_of(error: BaseException) -> int:
    if isinstance(error, Interrupted):
        return error.code
    return error.exit_code if isinstance(error, KdeployError) else 1


def _lost(error: RuntimeError) -> ResourceError:
    return ResourceError(
        f"process {rank()} of {count()}",
        "must reach the other processes",
        got=str(error).splitlines()[0],
        advice="See what they said, and run the same command again; it goes on from the last checkpoint.",
    )
