"""Finished benchmarks: computed again, compared, drawn, and written for other tools."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from kdeploy.records.bench import BenchRecord
from kdeploy.records.bench_compare import BenchCompareRecord
from kdeploy.records.report import ReportRecord
from kdeploy.system.files import hash_file
from kdeploy.system.fingerprint import fingerprint
from kdeploy.system.outputs import filled
from kdeploy.verbs.drawn import drawn
from kdeploy.verbs.prepare import Options


def recompute(folder: str | Path) -> BenchRecord:
    """The record of a folder with a benchmark, computed again from its raw samples.

    Raises: InputError when a file is not there, IntegrityError when one was edited.
    """
    from kdeploy.timing.recompute import recompute as recompute_folder

    return recompute_folder(Path(folder))


def compare(first: str | Path, second: str | Path) -> BenchCompareRecord:
    """Two results of the same models side by side: has anything changed? Each is computed again first.

    Args:
        first, second: folders with a benchmark.
    Returns: a row for each arm: ratio = median latency of the first / that of the second; refused, with the list, where
        the machine, a library, a model or the inputs differ.
    Raises: what `recompute` raises.
    """
    from kdeploy.timing.compare import compare as compare_folders

    return compare_folders(Path(first), Path(second))


def report_bench(folder: str | Path, options: Options | None = None) -> tuple[Path, ReportRecord]:
    """Write the page of a benchmark that belongs to no run, and its companions; one that was drawn is not drawn again.

    Args:
        folder: with `bench.json` and the raw samples.
    Returns: the folder with the report, and its record.
    Raises: InputError when there is no benchmark, IntegrityError when it is not what its raw samples give.
    """
    from kdeploy.reports.write import run_bench
    from kdeploy.timing.raw import RECORD_NAME

    folder = Path(folder)
    record = recompute(folder)
    reads = {"bench": hash_file(folder / RECORD_NAME), "raw": record.raw.sha256}
    key = fingerprint(ReportRecord.SCHEMA, {}, reads)
    return drawn(key, partial(run_bench, bench=record, raw=folder / record.raw.path), options or Options())


def copy_report(folder: Path, record: ReportRecord, out: Path, *, overwrite: bool = False) -> None:
    """Copy the files of a report to a folder of yours, each whole or not at all.

    Args:
        folder, record: what `report_bench` returns.
        out: the folder, which need not be there.
        overwrite: may files of these names with other content be replaced?
    Raises: InputError where they are there and may not, or where `out` is no folder; IntegrityError for a link.
    """
    from kdeploy.reports.write import copy_report as copy_files

    copy_files(folder, record, out, overwrite=overwrite)


def copy_folder(folder: Path, out: Path, *, overwrite: bool = False) -> None:
    """Copy what a stage has made to a folder of yours, each file whole or not at all.

    Args:
        folder: that of a stage, `load_run(name).folder("bench")`.
        out, overwrite: as of `copy_report`.
    Raises: what `copy_report` raises.
    """
    with filled(out, overwrite=overwrite) as place:
        shutil.copytree(folder, place, dirs_exist_ok=True)


def export_pytest_benchmark(folder: Path, record: BenchRecord) -> Path:
    """Write a benchmark next to its raw samples as JSON that `pytest-benchmark compare` reads; returns that file."""
    from kdeploy.timing.pytest_benchmark import export as export_json

    return export_json(record, folder)
