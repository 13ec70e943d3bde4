"""Every error kdeploy raises.

    KdeployError                 exit 1    our bug, when it is not one of those below
    ├── UsageError               exit 2    the command line cannot be read
    ├── InputError               exit 3    a recipe, model, data set or bundle is not what it must be
    │   ├── RecipeError                    all problems of a recipe at once
    │   ├── DataError
    │   ├── ModelError
    │   ├── BundleError
    │   └── BusyError                      another process holds this folder
    ├── IntegrityError           exit 4    bytes are not those that were promised, or code would run unasked
    ├── MeasuredError            exit 5    something was measured and did not pass
    │   ├── ParityError
    │   ├── GateError
    │   └── NonFiniteError                 a loss, a weight or a gradient became NaN or infinite
    ├── ClaimError               exit 6    a required speed claim could not be measured well enough
    ├── MissingError             exit 7    a package, runtime or device asked for by name is not here
    ├── ResourceError            exit 8    disk, memory or time ran out
    ├── Interrupted              exit 130 or 143, after a clean checkpoint
    └── OtherProcessFailed       the code of the error that another process has told about

A message reads `where: what it must be (what came). What to do.` Only `kdeploy.cli` prints one or exits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar


class KdeployError(Exception):
    """An error with a place, an expectation, what came instead, and what to do.

    Args:
        where: file, file:line, stage or setting.
        must: what it must be, a clause without a full stop ("must be at least 1").
        got: what came, short; left out of the sentence when empty.
        advice: what to do, one or more whole sentences.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, where: str, must: str, *, got: str = "", advice: str = "") -> None:
        self.where, self.must, self.got, self.advice = where, must, got, advice
        super().__init__(sentence(where, must, got, advice))

    def rephrase(self, change: Callable[[str], str]) -> None:
        """Change what its parts say, as a name that people do not know for one that they do."""
        self.where, self.must, self.got, self.advice = map(change, (self.where, self.must, self.got, self.advice))
        self.args = (sentence(self.where, self.must, self.got, self.advice),)

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints under the key `error`."""
        return {
            "kind": type(self).__name__,
            "exit_code": self.exit_code,
            "message": str(self),
            "where": self.where,
            "must": self.must,
            "got": self.got,
            "advice": self.advice,
        }


class UsageError(KdeployError):
    exit_code = 2


class InputError(KdeployError):
    exit_code = 3


class RecipeError(InputError):
    """All problems of one recipe; each is a whole message of its own."""

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        InputError.__init__(self, where, "must be a valid recipe", got=f"{len(problems)} problem(s)")
        self.args = ("\n".join(problems),)

    def rephrase(self, change: Callable[[str], str]) -> None:
        self.problems = tuple(map(change, self.problems))
        self.args = ("\n".join(self.problems),)

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"problems": list(self.problems)}


class DataError(InputError):
    pass


class ModelError(InputError):
    pass


class BundleError(InputError):
    pass


class BusyError(InputError):
    pass


class IntegrityError(KdeployError):
    exit_code = 4


class MeasuredError(KdeployError):
    exit_code = 5


class ParityError(MeasuredError):
    pass


class GateError(MeasuredError):
    pass


class NonFiniteError(MeasuredError):
    pass


class ClaimError(KdeployError):
    exit_code = 6


class MissingError(KdeployError):
    exit_code = 7


class ResourceError(KdeployError):
    exit_code = 8


class Interrupted(KdeployError):
    """A signal came, and the work done so far was saved.

    Its exit code, unlike the others', depends on the signal: 128 + its number.
    """

    def __init__(self, where: str, signal_number: int, *, advice: str = "") -> None:
        super().__init__(where, "was interrupted after a clean checkpoint", advice=advice)
        self.signal_number = signal_number

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"exit_code": self.code}

    @property
    def code(self) -> int:
        return 128 + self.signal_number


class OtherProcessFailed(KdeployError):
    """Another process of the same run failed, and has said why: this one only ends with its code."""

    def __init__(self, where: str, must: str, *, code: int) -> None:
        super().__init__(where, must, got=f"it ended with {code}")
        self.code = code

    def as_json(self) -> dict[str, Any]:
        return super().as_json() | {"exit_code": self.code}


def sentence(where: str, must: str, got: str = "", advice: str = "") -> str:
    """`where: must (got). advice`, the one form of every message."""
    head = f"{where}: {must}" + (f" ({got})" if got else "") + "."
    return f"{head} {advice}" if advice else head
