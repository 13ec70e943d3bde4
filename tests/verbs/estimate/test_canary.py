from __future__ import annotations

import pytest

from kdeploy.system import host
from kdeploy.system.resident import resident_bytes
from kdeploy.timing.analysis.machine_peaks import MOST_BYTES, far_bytes
from kdeploy.verbs.estimate.canary import with_canary


def test_two_processes_stand_beside_the_arms_or_fill_their_working_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "caches_bytes", lambda: {"l3": 8 << 20})
    own, far = resident_bytes(), far_bytes({"l3": 8 << 20})
    idle = with_canary(4 * MOST_BYTES) - 4 * MOST_BYTES
    assert 100 << 20 < idle < 2 << 30  # two runtimes, and torch
    filled = with_canary(own)
    assert filled - own == pytest.approx(idle + far, rel=0.2)
