"""A page that belongs to no run: drawn once, and taken from where it lies when it is asked for again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kdeploy.pipeline.store import Store
from kdeploy.records.report import ReportRecord
from kdeploy.verbs.prepare import Options


def drawn(key: str, draw: Callable[[Path], ReportRecord], options: Options) -> tuple[Path, ReportRecord]:
    """The folder of a page and its record; who else draws the same page is waited for.

    Args:
        key: the fingerprint of all that is on it.
        draw: writes it into a folder.
    """
    store = Store(options.runs)
    if not store.has("report", key):
        with store.work("report", key, lambda holder: options.progress.say(f"report: waiting for {holder}")) as work:
            if not store.has("report", key):
                store.commit("report", key, draw(work))
    return store.files("report", key), store.read("report", key, ReportRecord)
