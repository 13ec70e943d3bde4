"""Two real processes on gloo, as `torchrun` starts them, and what each of them does alone."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from kdeploy.errors import InputError
from kdeploy.evaluation.verdict import student_t_interval
from kdeploy.records.distill import DistillRecord
from kdeploy.system import distributed
from kdeploy.training.loop import BatchPlan
from tests import made
from tests.program import Outcome, environment, inside, python

RECIPE = """\
name: shared
data: {numpy: images.npz}
views: {count: 2, shift: 1}
teacher: [{onnx: teacher.onnx}]
student: {bottleneck: 4, hidden: [16]}
distill: {epochs: 6, batch: 24, lr: 1e-2, seeds: 3, precision: fp32, device: cpu, threads: 1}
"""


def _write(folder: Path) -> Path:
    made.images(folder / "images.npz")
    made.linear(folder / "teacher.onnx", (1, 8, 8))
    recipe = folder / "shared.yaml"
    recipe.write_text(RECIPE)
    return recipe


def _together(*words: str | Path) -> Outcome:
    """`torchrun --nproc_per_node 2 -m kdeploy WORDS`."""
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(_free_port()))
    return python(*launcher, "-m", "kdeploy", *words, OMP_NUM_THREADS="1")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _record(runs: Path) -> tuple[DistillRecord, Path]:
    (path,) = runs.glob("distill/*/record.json")
    return DistillRecord.read(path), path.parent


def test_two_processes_come_to_the_nets_of_one(tmp_path: Path):
    recipe = _write(tmp_path)
    one = inside("distill", recipe, "--data-root", tmp_path, "--runs", tmp_path / "one", "--json")
    two = _together("distill", recipe, "--data-root", tmp_path, "--runs", tmp_path / "two", "--json")
    assert (one.code, two.code) == (0, 0), two.stderr
    assert two.document["schema"] == DistillRecord.SCHEMA  # one document: the second process prints nothing
    (alone, place), (shared, other) = _record(tmp_path / "one"), _record(tmp_path / "two")
    assert place.name == other.name
    assert not list((tmp_path / "two" / ".work").glob("*/*/*"))
    # the labelled part, 19 samples, is cut into 10 and 9: the mean is weighted
    for net in (*alone.students, *alone.baselines):
        found, expected = load_file(other / net.file), load_file(place / net.file)
        for name, value in expected.items():
            # sums in another order, over 60 steps: a few roundings of weights around 1
            torch.testing.assert_close(found[name], value, rtol=0, atol=1e-5)
    interval = student_t_interval(np.array([net.test_accuracy for net in alone.students]))
    assert interval is not None
    assert interval[0] <= np.mean([net.test_accuracy for net in shared.students]) <= interval[1]


def test_all_processes_end_with_the_code_of_the_first(tmp_path: Path):
    recipe = _write(tmp_path)
    (tmp_path / "teacher.onnx").write_bytes(b"not a model")
    ended = _together("label", recipe, "--data-root", tmp_path, "--runs", tmp_path / "runs")
    # whichever ends first has the code; the launcher may then stop the other before it has come to its end
    first = ended.stderr.partition("Root Cause")[2]
    assert re.findall(r"exitcode  : (-?\d+)", first) == ["3"], ended.stderr
    assert ended.stderr.count("error: ") == 1


def test_a_process_whose_neighbour_is_gone_says_so():
    program = """
import sys, torch
from kdeploy.system import distributed
from kdeploy.errors import ResourceError
both = torch.full((2,), float(distributed.rank()))
distributed.mean([both], 1 + 2 * distributed.rank())
assert both.tolist() == [0.75, 0.75]  # (1 * 0 + 3 * 1) / 4
if distributed.rank() == 1:
    sys.exit(0)
try:
    distributed.mean([both], 1)
except ResourceError as exc:
    print(exc)
"""
    port = str(_free_port())
    place = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(RANK=str(rank), **place),
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    head, _, rest = said[0][0].strip().partition(" (")
    assert head == "process 0 of 2: must reach the other processes"
    assert rest.endswith("). See what they said, and run the same command again; it goes on from the last checkpoint.")


@given(samples=st.integers(6, 60), batch=st.integers(3, 70), count=st.integers(1, 3), step=st.integers(0, 40))
def test_the_processes_share_every_batch(samples: int, batch: int, count: int, step: int):
    whole = BatchPlan(samples, batch, 1).at(step)[1].tolist()
    parts = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(count))
        for rank in range(count):
            patch.setenv("RANK", str(rank))
            parts.append(BatchPlan(samples, batch, 1).at(step)[1].tolist())
    assert sorted(row for part in parts for row in part) == sorted(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_without_a_row_for_each_process_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(InputError) as caught:
        BatchPlan(100, 3, 0)
    assert str(caught.value) == "batch: must have a row for each of the 4 processes (3 rows). Start fewer processes."


def test_one_process_does_its_work_itself():
    assert "WORLD_SIZE" not in os.environ
    assert distributed.on_first(lambda: json.loads("[1]")) == [1]
    assert (distributed.rank(), distributed.local_rank(), distributed.count(), distributed.is_first()) == (
        0,
        0,
        1,
        True,
    )
