"""The protocol of a runtime, and what it promises: the one plugin seam of kdeploy.

A runtime is found by an entry point of the group `kdeploy.runtimes` and takes part in export, parity and benchmark
by keeping the promises written here. `kdeploy.runtimes.contract.check` proves that one does.

    Source --convert--> artefact (a file) --load--> Session --run--> {output name: array}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import nn

Arrays = Mapping[str, np.ndarray[Any, Any]]


class Refused(Exception):
    """A conversion the runtime does not offer: a result with a reason, not a failure."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NotOffered(Refused):
    """The runtime has not this precision, whatever the model: with all formats requested, it is left out silently."""


class Source(NamedTuple):
    """The source of a conversion."""

    onnx: Path
    module: Callable[[], nn.Module] | None  # None for external models
    example: Arrays  # one array an input, each with at least one row
    calibration: Iterable[Arrays] | None  # batches of real inputs, never those that the result is judged on


class Processors(NamedTuple):
    """The processors on which a converted file answers as where it was converted, up to its precision's rounding.

    `names` are architectures as `uname -m` writes them, one that needs a flag of /proc/cpuinfo with that:
    `x86_64+avx512_bf16`. None where it is not known. `reason` says why these, or why it is not known.
    """

    names: tuple[str, ...] | None
    reason: str


class Session(Protocol):
    """A loaded model, ready to answer.

    `settings` says what is in effect, read back from the runtime where it can be: precision (of floating-point
    arithmetic, `fp32`), threads, provider, fixed_batch. What cannot be read back is absent.
    """

    @property
    def settings(self) -> Mapping[str, str]: ...

    def run(self, inputs: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        """The outputs by name; they stay valid, and unchanged, whatever runs later.

        Args:
            inputs: one array for each input, of the dtype and shape that the model declares; a free length is any.
        Returns: arrays of the dtypes that the model declares, with the batch of the inputs where it is free.
        Raises: DataError when a name, dtype, rank or fixed length is not the model's; ModelError when the run fails.
        """

    def close(self) -> None:
        """Let the model go. Running a closed session is an error."""


class Runtime(Protocol):
    """A program that runs models. Its abilities are asked of it, never looked up by its name."""

    @property
    def name(self) -> str: ...

    def missing(self) -> str | None:
        """A sentence that says what to install; None where nothing is missing."""

    def version(self) -> str: ...

    def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
        """Write the model into the folder (which exists) in the form this runtime deploys; the file to load.

        Raises: Refused, with the reason, when this source is not taken; NotOffered, when this precision is not;
            ModelError when the conversion fails.
        """

    def processors(self, precision: str) -> Processors:
        """The processors for which `convert` writes a file in this precision, one of those it offers."""

    def load(self, artefact: Path, *, threads: int) -> Session:
        """A session with the model of a file, on so many threads.

        Raises: ModelError when the file is not a model this runtime reads.
        """
