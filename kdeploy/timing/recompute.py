"""The same numbers again, from the raw samples: bench.json = what is not computed + f(raw.jsonl.gz), byte for byte.

`f` gives the arms' figures and rooflines, the call floors, the comparisons with their claims, and the noise. The
machine, the clock's cost and the digests of the models are facts of the day, and are taken from the record.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kdeploy.errors import InputError, IntegrityError
from kdeploy.records.bench import Arm, BenchRecord
from kdeploy.runtimes import artefacts
from kdeploy.timing import raw
from kdeploy.timing.analysis.comparison import Measured, Role, asked_of
from kdeploy.timing.analysis.gates import Surroundings
from kdeploy.timing.analysis.roofline import bounds_of
from kdeploy.timing.analysis.summary import arm_names, compared, figures, noise_of
from kdeploy.timing.analysis.throughput import throughputs
from kdeploy.timing.request import Request

RECORD_NAME = "bench.json"


def recompute(folder: Path) -> BenchRecord:
    """The record of a folder, computed again.

    Raises: InputError when a file is not there or not one of ours, IntegrityError when one was edited.
    """
    path = folder / RECORD_NAME
    found = BenchRecord.from_json(_bytes(path), where=str(path))
    samples = folder / raw.NAME
    _check_raw(samples, found.raw.sha256)
    again = _computed(found, samples)
    if len(found.arms) != 2 * len(again.comparison):
        raise _edited(path, f"{len(found.arms)} arms, and not {2 * len(again.comparison)}")
    if again.to_json().encode() != path.read_bytes():
        raise _edited(path, _difference(json.loads(path.read_bytes()), json.loads(again.to_json())))
    return again


def _edited(path: Path, what: str) -> IntegrityError:
    return IntegrityError(
        str(path),
        f"must be what {raw.NAME} gives",
        got=f"R14: {what}",
        advice="It was edited, or written by another version of kdeploy; measure again.",
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InputError(str(path), "must be a file that can be read", got=str(exc.strerror)) from exc


def _check_raw(path: Path, promised: str) -> None:
    _bytes(path)
    digest = artefacts.file_digest(path)
    if digest != promised:
        raise IntegrityError(
            str(path),
            f"must have the SHA-256 {promised}",
            got=f"R14: {digest}",
            advice="The samples are not those of the result; measure again.",
        )


def _computed(found: BenchRecord, path: Path) -> BenchRecord:
    """The record with all that is computed replaced."""
    asked = _question(path)
    level, surroundings = asked.settings.level, Surroundings(found.timer, found.host.power_source)
    bounds = bounds_of(raw.read_floors(path), raw.read_probes(path), found.host.caches_bytes, level)
    measured = [replace(one, bounds=bounds) for one in _measured(asked, path)]
    arms, comparisons, taken = list[Arm](), [], set[str]()
    for one in measured:
        baseline, candidate = arm_names(one.request, taken)
        comparisons.append(compared(one, asked.settings, baseline, candidate, surroundings))
        pair = found.arms[len(arms) : len(arms) + 2]  # fewer in a record that was edited
        roles: tuple[tuple[Role, str], ...] = (("baseline", baseline), ("candidate", candidate))
        arms += [_arm(arm, name, one, role, level) for arm, (role, name) in zip(pair, roles, strict=False)]
    computed = {
        "arms": tuple(arms),
        "comparison": tuple(comparisons),
        "noise": noise_of(measured, level),
        "throughput": throughputs(_brief(asked, path)),
        "null_sut": bounds.null_sut,
    }
    return found.model_copy(update=computed)


def _arm(arm: Arm, name: str, measured: Measured, role: Role, level: float) -> Arm:
    """An arm with what was asked of it and its figures."""
    asked = asked_of(measured, role)
    told = {"name": name, "model": asked.model, "role": role, "quality": asked.quality, "compute": asked.compute}
    return arm.model_copy(update=told | figures(measured, role, level))


def _question(path: Path) -> Request:
    asked = raw.read_question(path)
    if asked is None:
        raise InputError(
            str(path),
            "must begin with what was asked",
            got="no such line",
            advice="An older kdeploy wrote it; measure again.",
        )
    return asked


def _measured(asked: Request, path: Path) -> list[Measured]:
    replicates, ends, extras = raw.read_replicates(path), raw.read_ends(path), raw.read_extras(path)
    return [
        Measured(one, replicates[number], ends[number], extras.get(number, {}))
        for number, one in enumerate(asked.comparisons)
    ]


def _brief(asked: Request, path: Path) -> list[Measured]:
    """The throughputs that were measured to their end."""
    replicates, ends, first = raw.read_replicates(path), raw.read_ends(path), len(asked.comparisons)
    numbered = enumerate(asked.throughput, start=first)
    return [Measured(one, replicates[number], ends[number]) for number, one in numbered if number in ends]


def _difference(found: object, again: object) -> str:
    """The first place where two documents differ: `comparison.0.ratio.value is 9.0, and not 7.0`."""
    if isinstance(found, dict) and isinstance(again, dict) and found.keys() == again.keys():
        pairs = {name: (found[name], again[name]) for name in found}
    elif isinstance(found, list) and isinstance(again, list) and len(found) == len(again):
        pairs = {str(number): pair for number, pair in enumerate(zip(found, again, strict=True))}
    else:
        return f"{found!r:.60}, and not {again!r:.60}"
    different = ((name, *pair) for name, pair in pairs.items() if pair[0] != pair[1])
    first = next(different, None)
    if first is None:
        return "only its layout differs"
    name, one, other = first
    return (
        f"{name}.{_difference(one, other)}" if isinstance(one, dict | list) else f"{name} is {_difference(one, other)}"
    )
