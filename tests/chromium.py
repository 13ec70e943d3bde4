"""Headless Chromium for the tests of pages: what a reader would see, and what the page wanted from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="no chromium here (Debian's package of that name)")

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--no-first-run", "--enable-logging=stderr"),
    *("--disable-sync", "--disable-default-apps", "--virtual-time-budget=1000", "--proxy-bypass-list=<-loopback>"),
)
# what Chromium asks for itself, whatever the page
_BROWSERS_OWN = re.compile(r"^(?:https?://)?(?!fonts\.)[a-z0-9.-]+\.(?:google|googleapis|gvt1)\.com[:/]")


class Heard(NamedTuple):
    """What the console said of a page, and what the page asked a proxy for."""

    console: list[str]
    requests: list[str]


QUIET = Heard([], [])


class Picture(NamedTuple):
    """A screenshot as RGB."""

    pixels: np.ndarray
    heard: Heard

    @property
    def ground(self) -> tuple[int, ...]:
        """The commonest colour."""
        return Counter(map(tuple, self.pixels[::7, ::7].reshape(-1, 3).tolist())).most_common(1)[0][0]

    @property
    def inked(self) -> float:
        """The share of rows on which anything is drawn."""
        return float(np.any(self.pixels != np.array(self.ground), axis=(1, 2)).mean())


def dom(page: Path, folder: Path) -> tuple[str, Heard]:
    """The document after it was read."""
    return _run(page, folder, "--dump-dom")


def picture(page: Path, folder: Path, *, width: int, height: int, dark: bool = False) -> Picture:
    shot = folder / "shot.png"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    _, heard = _run(page, folder, scheme, f"--window-size={width},{height}", f"--screenshot={shot}")
    return Picture(np.asarray(Image.open(shot).convert("RGB")), heard)


def _run(page: Path, folder: Path, *words: str) -> tuple[str, Heard]:
    assert PROGRAM is not None
    profile = folder / "profile"
    shutil.rmtree(profile, ignore_errors=True)
    with _proxy() as (address, requests):
        command = [PROGRAM, *_FLAGS, f"--proxy-server={address}", f"--user-data-dir={profile}", *words, page.as_uri()]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    console = [line for line in lines if "source: chrome://" not in line]  # of a page of the browser's own
    return done.stdout, Heard(console, [wanted for wanted in requests if not _BROWSERS_OWN.search(wanted)])


@contextmanager
def _proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that refuses everything and remembers what it was asked for."""
    requests: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(403)

        do_CONNECT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", requests
        finally:
            server.shutdown()
            thread.join()
