"""A result computed again from its raw samples: bench.json = what is not computed + f(raw.jsonl.gz), byte for byte.

`f` gives the arms' figures and rooflines, the call floors, the comparisons with their claims, and the noise. The
machine, the clock's cost and the digests of the models are facts of the day, and are taken from the record.
"""

from __future__ import annotations

import json
from pathlib import Path

from kdeploy.errors import InputError, IntegrityError
from kdeploy.records.bench import BenchRecord
from kdeploy.runtimes import artefacts, regular_file
from kdeploy.timing import raw
from kdeploy.timing.analysis.comparison import MeasuredComparison
from kdeploy.timing.analysis.gates import Surroundings
from kdeploy.timing.analysis.roofline import bounds_of
from kdeploy.timing.analysis.run_noise import run_noise
from kdeploy.timing.analysis.summary import summaries
from kdeploy.timing.analysis.throughput import throughputs
from kdeploy.timing.request import Request

_AGAIN = "It was edited, or written by another version of kdeploy; measure again."


def recompute(folder: Path) -> BenchRecord:
    """The record of a folder, computed again.

    Raises: InputError when a file is not there or no benchmark's, IntegrityError when one was edited.
    """
    path = folder / raw.RECORD_NAME
    record = _record(path)
    samples = folder / raw.NAME
    _check_raw(samples, record.raw.sha256)
    again = _computed(record, samples)
    if len(record.arms) != 2 * len(again.comparison):
        raise _edited(path, f"{len(record.arms)} arms, and not {2 * len(again.comparison)}")
    if again.sealed() != _bytes(path):
        stored, computed = json.loads(_bytes(path)), json.loads(again.sealed())
        # the seal is right where somebody computed it again, and says nothing where nobody did
        stored["seal"] = computed["seal"] = None
        raise _edited(path, _difference(stored, computed))
    return again


def _record(path: Path) -> BenchRecord:
    """The record as it stands: what was edited in it shows in what its samples give. Raises: as `recompute`."""
    content = _bytes(path)
    try:
        return BenchRecord.from_json(content, where=str(path))
    except InputError:
        return BenchRecord.from_sealed(content, where=str(path), advice=_AGAIN)


def _edited(path: Path, what: str) -> IntegrityError:
    return IntegrityError(
        str(path),
        f"must be what {raw.NAME} gives",
        got=f"R14: {what}",
        advice=_AGAIN,
    )


def _bytes(path: Path) -> bytes:
    try:
        return regular_file.read(path)
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


def _computed(record: BenchRecord, path: Path) -> BenchRecord:
    """The record with all that is computed replaced."""
    request = _request(path)
    level, surroundings = request.settings.level, Surroundings(record.timer, record.host.power_source)
    bounds = bounds_of(raw.read_floors(path), raw.read_probes(path), record.host.caches_bytes, level)
    measured, brief = _measured(request, path)
    summed_up = summaries(measured, bounds, request.settings, surroundings)
    results = (result for one in summed_up for result in one.arms)
    pairs = zip(record.arms, results, strict=False)  # fewer arms in a record that was edited
    computed = {
        "arms": tuple(arm.model_copy(update=result.fields()) for arm, result in pairs),
        "comparison": tuple(one.comparison for one in summed_up),
        "noise": run_noise(measured, level),
        "throughput": throughputs(brief),
        "null_sut": bounds.null_sut,
    }
    return record.model_copy(update=computed)


def _request(path: Path) -> Request:
    request = raw.read_request(path)
    if request is None:
        raise InputError(
            str(path),
            "must begin with what was asked",
            got="no such line",
            advice="An older kdeploy wrote it; measure again.",
        )
    return request


def _measured(request: Request, path: Path) -> tuple[list[MeasuredComparison], list[MeasuredComparison]]:
    """The comparisons, and the throughputs that were measured to their end."""
    replicates, ends, optional = raw.read_replicates(path), raw.read_ends(path), raw.read_optional(path)
    comparisons = [
        MeasuredComparison(one, replicates[number], ends[number], optional.get(number, {}))
        for number, one in enumerate(request.comparisons)
    ]
    brief = [
        MeasuredComparison(one, replicates[number], ends[number])
        for number, one in enumerate(request.throughput, start=len(comparisons))
        if number in ends
    ]
    return comparisons, brief


def _difference(stored: object, again: object) -> str:
    """The first place where two documents differ: `comparison.0.ratio.value is 9.0, and not 7.0`."""
    if isinstance(stored, dict) and isinstance(again, dict) and stored.keys() == again.keys():
        pairs = {name: (stored[name], again[name]) for name in stored}
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        pairs = {str(number): pair for number, pair in enumerate(zip(stored, again, strict=True))}
    else:
        return f"{stored!r:.60}, and not {again!r:.60}"
    different = ((name, *pair) for name, pair in pairs.items() if pair[0] != pair[1])
    first = next(different, None)
    if first is None:
        return "only its layout differs"
    name, one, other = first
    return (
        f"{name}.{_difference(one, other)}" if isinstance(one, dict | list) else f"{name} is {_difference(one, other)}"
    )
