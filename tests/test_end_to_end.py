"""The whole product from outside: a run, again, its verbs one by one, interruptions, and the bundle elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import pytest
from PIL import Image

from kdeploy.records.export import ExportRecord
from kdeploy.runtimes import installed
from kdeploy.samples.sampleset import SampleSet
from tests.altered import come_out_so
from tests.bundles.conftest import replace
from tests.conftest import TinyRun
from tests.program import STAGES, TINY, Outcome, inside, kdeploy, python, start

Command = Callable[..., Outcome]


def _stamps(runs: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in runs.glob("[!.]*/*/**/*")}


def _stages(runs: Path) -> dict[str, str]:
    return dict(json.loads((runs / "tiny.json").read_bytes())["stages"])


def _files(runs: Path) -> dict[str, str]:
    """Hashes of everything that must come out the same: weights, logits, labels and ONNX files."""
    kinds = ("safetensors", "npy", "onnx", "npz")
    kept = [path for kind in kinds for path in runs.glob(f"[!.]*/*/**/*.{kind}") if "bench" not in path.parts]
    return {str(path.relative_to(runs)): _without_dates(path) for path in kept}


def _without_dates(path: Path) -> str:
    """The hash of a file; of an archive, that of its members."""
    if path.suffix != ".npz":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    with zipfile.ZipFile(path) as archive:
        return str([(info.filename, info.CRC) for info in archive.infolist()])


class TestRun:
    def test_the_summary_has_every_key_that_is_promised(self, tiny: TinyRun) -> None:
        found = tiny.outcome.document
        assert found["schema"] == "kdeploy.report/4"
        assert found["stages_run"] == list(STAGES)
        for role in ("teacher", "student", "baseline"):
            assert found[role].keys() >= {"test_accuracy", "parameters", "multiply_adds", "bytes"}
        for role in ("student", "baseline"):
            assert [seed["seed"] for seed in found[role]["per_seed"]] == [0]
        assert found["verdict"].keys() >= {"status", "seeds_interval", "inputs_interval"}
        assert found["bottleneck"].keys() >= {"shipped", "reason", "break_even"}
        [row] = found["bench"]
        assert row.keys() >= {"runtime", "batch", "threads", "ratio", "low", "high", "pairs", "status"}
        assert (row["runtime"], row["batch"], row["threads"]) == ("onnxruntime", 1, 1)
        assert row["pairs"] <= 2  # a busy machine voids some
        assert len(found["parity"]) >= 6
        for comparison in found["parity"]:
            assert comparison.keys() >= {"model", "runtime", "max_abs_error", "passed"}
            assert comparison["passed"]
        assert (tiny.runs / found["bundle"] / "manifest.json").is_file()

    def test_progress_is_on_stderr_only(self, tiny: TinyRun) -> None:
        lines = tiny.outcome.stderr.splitlines()
        assert [line for line in lines if line in STAGES] == list(STAGES)
        assert "" not in lines
        bundle = tiny.runs / tiny.outcome.document["bundle"]
        assert lines[-1] == f"next: kdeploy verify {bundle}"

    def test_every_stage_is_named_in_the_index_and_has_a_record(self, tiny: TinyRun) -> None:
        stages = _stages(tiny.runs)
        assert tuple(stages) == STAGES
        assert all((tiny.runs / stage / key / "record.json").is_file() for stage, key in stages.items())

    def test_the_same_again_does_nothing(self, command: Command, runs: Path) -> None:
        before = _stamps(runs)
        found = command("run", TINY, "--runs", runs, "--json")
        assert (found.code, found.document["stages_run"]) == (0, [])
        assert before
        assert _stamps(runs) == before

    def test_the_tables_say_what_the_json_says(self, command: Command, runs: Path, tiny: TinyRun) -> None:
        found = command("run", TINY, "--runs", runs)
        accuracy = f"{100 * tiny.outcome.document['student']['test_accuracy']:.2f} %"
        assert found.code == 0
        assert accuracy in found.stdout
        assert "stages run: none, all were done before\n" in found.stdout
        bundle = Path(tiny.outcome.document["bundle"]).relative_to(tiny.runs)
        assert f"bundle: {runs / bundle}\n" in found.stdout

    def test_show_prints_the_summary_of_the_run(self, command: Command, runs: Path, tiny: TinyRun) -> None:
        bundle = Path(tiny.outcome.document["bundle"]).relative_to(tiny.runs)
        assert command("show", "tiny", "--runs", runs, "--json").document == {
            **tiny.outcome.document,
            "stages_run": [],
            "bundle": str(runs / bundle),
        }


class TestExport:
    def test_the_fused_form_ships_one_layer_and_the_recipe_brings_the_other_back(
        self, command: Command, runs: Path, tiny: TinyRun
    ) -> None:
        found = command("export", "tiny", "--bottleneck", "fuse", "--runs", runs, "--json")
        assert found.code == 0, found.stderr
        record = found.document
        assert record["bottleneck"]["shipped"] == "fused"
        assert all(row["passed"] for form in record["forms"] for row in form["parity"])
        fused = runs / "export" / _stages(runs)["export"] / record["student"]["file"]
        factored = tiny.runs / "export" / _stages(tiny.runs)["export"] / "student.onnx"
        # first layer and logits, and in the factored form V before U
        assert (_dense_layers(fused), _dense_layers(factored)) == (2, 3)
        back = command("run", TINY, "--runs", runs, "--json")
        assert back.document["stages_run"] == []
        assert back.document["bottleneck"]["shipped"] == "factored"
        assert _stages(runs) == _stages(tiny.runs)

    def test_a_lower_rank_ships_proved_against_itself_and_judged_by_its_own_accuracy(
        self, command: Command, runs: Path
    ) -> None:
        bottleneck = ("--runs", runs, "--set", "export.bottleneck.rank=3", "--json")
        verified = command("verify", "tiny", *bottleneck)
        assert verified.code == 0, verified.stderr
        assert {row["model"] for row in verified.document["rows"]} == {"student", "teacher"}
        # a rank this low costs more than the gate allows, though the trained student meets it
        drop = command("show", "tiny", "--runs", runs, "--json").document["drop_points"]
        found = command("run", "tiny", *bottleneck, "--set", f"gate.max_drop={max(drop, 0) + 1}")
        assert found.document["bottleneck"]["shipped"] == "low-rank"
        assert found.document["drop_points"] == drop
        assert found.code == 5, found.stderr
        assert found.document["gate"][0]["measured"] > max(drop, 0) + 1

    def test_all_formats_are_every_runtime_that_is_here(self, command: Command, runs: Path) -> None:
        words = ("export", "tiny", "--formats", "all", "--runs", runs)
        found = command(*words, "--json")
        assert found.code == 0, found.stderr
        made = [one for one in found.document["formats"] if one["refused"] is None]
        whole = [(one["model"], one["runtime"]) for one in made if one["precision"] == "fp32"]
        names = ["onnx", *(name for name in installed.available() if name != "reference")]
        assert whole == [(model, name) for name in names for model in ("student", "teacher")]
        folder = runs / "export" / _stages(runs)["export"]
        assert all((folder / one["file"]).is_file() and one["bytes"] > 0 for one in made)
        # the network without a teacher is quantised for its accuracy alone
        assert all(one["parity"]["passed"] for one in made if one["model"] != "baseline")
        table = command(*words).stdout
        assert [line.split()[:3] for line in table.splitlines() if line.split()[1:3] == ["student", "fp32"]] == [
            [name, "student", "fp32"] for name in names
        ]

    def test_a_precision_that_a_runtime_has_not_is_exit_code_3(self, command: Command, runs: Path) -> None:
        found = command("export", "tiny", "--formats", "onnx,ort:bf16", "--runs", runs)
        assert found.code == 3
        assert found.stderr.splitlines()[-1] == (
            "error: format ort:bf16: must take the student (ort converts to fp32 only, not to bf16). "
            "Remove ort:bf16 from export.formats."
        )

    def test_a_format_that_is_no_format_is_exit_code_3(self, command: Command, runs: Path) -> None:
        found = command("export", "tiny", "--formats", "openvino:fp8", "--runs", runs)
        assert found.code == 3
        assert found.stderr == (
            "error: --set export.formats: export.formats[0] must be of the precision fp32, fp16, bf16 or int8 "
            "(got 'openvino:fp8'). Without one it is fp32.\n"
        )


class TestPrecisionAndPreprocessing:
    CHOSEN = (
        *("--set", "export.formats=[onnx, onnxruntime:int8]"),
        *("--set", "export.max_int8_drop=100"),  # of 50 held-out inputs one is two points: no guard here
        *("--set", "export.preprocess=graph", "--set", "export.layout=nhwc"),
    )

    def test_both_are_exported_verified_and_bundled(self, command: Command, runs: Path) -> None:
        exported = command("export", "tiny", *self.CHOSEN, "--runs", runs)
        assert exported.code == 0, exported.stderr
        assert "onnxruntime:int8 on 50 held-out inputs: student " in exported.stdout
        raw = runs / "export" / _stages(runs)["export"] / "student.raw.onnx"
        assert f"with its preprocessing: {raw}\n" in exported.stdout
        good = raw.read_bytes()
        _scale(raw, 1.05)
        come_out_so(raw.parent, ExportRecord)
        spoiled = command("verify", "tiny", *self.CHOSEN, "--runs", runs, "--json")
        assert spoiled.code == 5
        where = spoiled.document["error"]["where"]
        assert where == "student with its preprocessing on reference"
        raw.write_bytes(good)
        come_out_so(raw.parent, ExportRecord)
        verified = command("verify", "tiny", *self.CHOSEN, "--runs", runs, "--json")
        assert verified.code == 0, verified.stderr
        last = verified.document["rows"][-1]
        assert (last["model"], last["runtime"], last["passed"]) == (
            "student with its preprocessing",
            "onnxruntime",
            True,
        )
        costs = {cost["model"]: cost for cost in verified.document["costs"]}
        assert sorted(costs) == ["baseline", "student", "teacher"]
        assert {(cost["format"], cost["part"]) for cost in costs.values()} == {("onnxruntime:int8", "test")}
        bundled = command("bundle", "tiny", *self.CHOSEN, "--runs", runs, "--json")
        assert bundled.code == 0, bundled.stderr
        files = {file["path"] for file in bundled.document["files"]}
        assert files >= {"formats/raw/student.raw.onnx", "formats/onnxruntime-int8/model.onnx", "preprocessing.json"}


def _scale(path: Path, factor: float) -> None:
    """Multiply what the pixels are multiplied by in the graph."""
    model = onnx.load(path)
    tensor = next(one for one in model.graph.initializer if one.name == "preprocessing/mul-constant")
    value = onnx.numpy_helper.to_array(tensor) * np.float32(factor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value, np.float32), tensor.name))
    onnx.save(model, path)


def _dense_layers(path: Path) -> int:
    return sum(node.op_type in {"Gemm", "MatMul"} for node in onnx.load(path).graph.node)


class TestGate:
    def test_a_missed_gate_ends_with_5_after_the_report_and_without_a_bundle(
        self, command: Command, runs: Path, tiny: TinyRun
    ) -> None:
        gate = ("--set", "gate.max_drop=0", "--set", "gate.min_speedup=1000")
        found = command("run", TINY, *gate, "--runs", runs)
        drop = tiny.outcome.document["drop_points"]
        reasons = ", ".join(tiny.outcome.document["bench"][0]["reasons"])  # more of them on a busy machine
        assert "a supported claim needs 12" in reasons
        no_interval = f"no speed-up on onnxruntime, batch 1, 1 thread: {reasons}"
        assert found.code == 5
        assert found.stderr.splitlines()[-1] == (
            f"error: gate: must be met (max_drop: {drop:.4g} points below the teacher, {drop:.4g} more than the 0 "
            f"allowed; min_speedup: {no_interval}). "
            "Make the student wider (student.hidden, student.bottleneck, or the widths of compact), raise "
            "distill.epochs, or relax gate.max_drop. "
            "Time it again on a quiet machine, raise bench.max_seconds, or remove gate.min_speedup."
        )
        assert "gate: max_drop NOT MET" in found.stdout
        assert "bundle: none\n" in found.stdout
        assert "stages run: report\n" in found.stdout
        assert "bundle" not in _stages(runs)
        assert (runs / "report" / _stages(runs)["report"] / "report.html").is_file()

    def test_with_json_a_missed_gate_still_prints_the_summary_alone(self, command: Command, runs: Path) -> None:
        found = command("run", TINY, "--set", "gate.max_drop=0", "--runs", runs, "--json")
        assert found.code == 5
        assert found.document["bundle"] is None
        assert [result["passed"] for result in found.document["gate"]] == [False]
        assert found.document["error"]["kind"] == "GateError"
        assert found.stderr.splitlines()[-1] == f"error: {found.document['error']['message']}"
        again = command("run", TINY, "--set", "gate.max_drop=0", "--runs", runs, "--json")
        assert (again.code, again.document["stages_run"]) == (5, [])

    def test_a_gate_that_is_met_makes_only_the_bundle_and_the_report_again(self, command: Command, runs: Path) -> None:
        found = command("run", TINY, "--set", "gate.max_drop=100", "--runs", runs, "--json")
        assert (found.code, found.document["stages_run"]) == (0, ["bundle", "report"])

    def test_what_is_handed_over_goes_where_one_says(self, command: Command, runs: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        report = {"decisions.json", "report.csv", "report.html", "report.json", "report.md"}
        missed = command("run", TINY, "--set", "gate.min_speedup=1000", "--runs", runs, "--out", out / "missed")
        assert (missed.code, {path.name for path in (out / "missed").iterdir()}) == (5, report)
        met = command("run", TINY, "--runs", runs, "--out", out / "met")
        assert (met.code, {path.name for path in (out / "met").iterdir()} - report) == (
            0,
            {"bundle", "record.json", "tiny.zip"},
        )
        assert command("verify", out / "met" / "bundle").code == 0


def _wait_for(process: subprocess.Popen[str], stage: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip() == stage:
            return
    raise AssertionError(f"the run ended before {stage}")


def _wait_until(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    """For as long as it takes, the time limit of a test apart."""
    while not holds():
        assert process.poll() is None, "the run ended before this came"
        time.sleep(0.01)


def _end(process: subprocess.Popen[str]) -> Outcome:
    out, err = process.communicate()
    return Outcome(process.returncode, out, err)


def _descendants(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [below for child in found for below in _descendants(child)]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Story(NamedTuple):
    """A run that was interrupted twice and brought to its end by single verbs, and what they said."""

    runs: Path
    in_teacher: Outcome
    left_by_teacher: list[str]
    second_run: Outcome
    busy: int
    in_bench: Outcome
    survivors: list[int]
    verbs: dict[str, Outcome]


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    runs = tmp_path_factory.mktemp("story") / "runs"
    in_teacher = _interrupt_teacher(runs)
    left = sorted(str(path.relative_to(runs)) for path in runs.rglob("*") if path.is_file())
    verbs = {verb: inside(verb, TINY, "--runs", runs, "--json") for verb in ("label", "distill")}
    verbs |= {verb: kdeploy(verb, "tiny", "--runs", runs, "--json") for verb in ("export", "verify")}
    process = start("run", TINY, "--runs", runs)
    _wait_for(process, "bench")
    # the orchestrator, and a worker of it
    _wait_until(process, lambda: len(_descendants(process.pid)) >= 2)
    family = _descendants(process.pid)
    second = inside("bench", TINY, "--runs", runs)
    process.send_signal(signal.SIGTERM)
    in_bench = _end(process)
    survivors = [pid for pid in family if _lives(pid)]
    verbs |= {verb: inside(verb, "tiny", "--runs", runs, "--json") for verb in ("bench", "bundle", "report")}
    return Story(runs, in_teacher, left, second, process.pid, in_bench, survivors, verbs)


def _interrupt_teacher(runs: Path) -> Outcome:
    process = start("run", TINY, "--runs", runs, KDEPLOY_CHECKPOINT_SECONDS="0.1")
    # a checkpoint is there from the first steps on, for as long as the training lasts
    _wait_until(process, lambda: any(runs.glob(".work/teacher/*/teacher.checkpoint")))
    process.send_signal(signal.SIGINT)
    return _end(process)


class TestInterruption:
    def test_sigint_ends_with_130_and_a_sentence(self, story: Story) -> None:
        assert story.in_teacher.code == 130
        assert story.in_teacher.stderr.splitlines()[-1] == (
            "error: kdeploy: was interrupted after a clean checkpoint. Run the same command again to go on."
        )

    def test_an_interrupted_training_leaves_a_checkpoint_and_no_broken_folder(self, story: Story) -> None:
        finished = {tuple(name.split("/")[:2]) for name in story.left_by_teacher if not name.startswith((".", "tiny"))}
        assert all("/".join((*folder, "record.json")) in story.left_by_teacher for folder in finished)
        key = _stages(story.runs)["teacher"]
        checkpoint = f".work/teacher/{key}/teacher.checkpoint"
        assert {checkpoint, f"teacher/{key}/record.json"} & set(story.left_by_teacher)
        assert not [name for name in story.left_by_teacher if ".kdeploy-tmp-" in name]

    def test_sigterm_in_the_bench_ends_with_143_and_leaves_no_process(self, story: Story) -> None:
        assert story.in_bench.code == 143
        assert story.in_bench.stderr.splitlines()[-1].startswith("error: bench: was interrupted after a clean checkp")
        assert story.survivors == []

    def test_a_second_run_of_the_same_is_refused(self, story: Story) -> None:
        place = story.runs / ".work" / "bench" / _stages(story.runs)["bench"]
        assert (story.second_run.code, story.second_run.stdout) == (3, "")
        assert story.second_run.stderr == (
            f"error: {place}: must not be in use (in use by pid {story.busy}). Wait for it to end, or stop it.\n"
        )


class TestVerbs:
    def test_each_prints_its_record_alone(self, story: Story) -> None:
        assert {verb: found.code for verb, found in story.verbs.items()} == dict.fromkeys(story.verbs, 0)
        assert {verb: found.document["schema"] for verb, found in story.verbs.items()} == {
            "label": "kdeploy.labels/2",
            "distill": "kdeploy.distill/4",
            "export": "kdeploy.export/2.1",
            "verify": "kdeploy.verify/2.1",
            "bench": "kdeploy.bench/3",
            "bundle": "kdeploy.bundled/3",
            "report": "kdeploy.report-files/3.1",
        }

    def test_together_they_come_to_what_run_comes_to(self, story: Story, tiny: TinyRun) -> None:
        assert _stages(story.runs) == _stages(tiny.runs)
        reference = _files(tiny.runs)
        assert len(reference) > 15
        assert _files(story.runs) == reference

    def test_the_bundle_is_the_same_but_for_the_file_of_its_times(self, story: Story, tiny: TinyRun) -> None:
        ([one], [other]) = (list(runs.glob("bundle/*/bundle")) for runs in (story.runs, tiny.runs))
        files = {path.relative_to(other).as_posix() for path in other.rglob("*") if path.is_file()}
        assert files == {path.relative_to(one).as_posix() for path in one.rglob("*") if path.is_file()}
        different = {name for name in files if (one / name).read_bytes() != (other / name).read_bytes()}
        assert different == {"evidence/timings.json"}

    def test_after_them_run_has_nothing_to_do(self, story: Story) -> None:
        assert inside("run", TINY, "--runs", story.runs, "--json").document["stages_run"] == []


@pytest.fixture
def bundle(tiny: TinyRun, tmp_path: Path) -> Path:
    """The bundle, elsewhere."""
    return Path(shutil.copytree(tiny.runs / tiny.outcome.document["bundle"], tmp_path / "device" / "bundle"))


class TestBundle:
    def test_the_folder_and_the_zip_verify(self, bundle: Path, tiny: TinyRun, tmp_path: Path) -> None:
        [archive] = (tiny.runs / "bundle").glob("*/tiny.zip")
        zip_ = Path(shutil.copy(archive, tmp_path / "other.zip"))
        for path in (bundle, zip_):
            found = inside("verify", path, "--json")
            assert (found.code, found.document["name"], found.stderr) == (0, "tiny", "")
        assert python("-I", bundle / "verify.py", folder=tmp_path).code == 0

    def test_predict_says_of_an_image_what_the_student_says(self, bundle: Path, tiny: TinyRun, tmp_path: Path) -> None:
        stages = _stages(tiny.runs)
        samples = SampleSet.open(tiny.runs / "samples" / stages["samples"])
        digit = samples.inputs["image"][samples.parts["test"][0]]
        Image.fromarray(digit[0]).save(tmp_path / "digit.png")
        found = python("-I", bundle / "predict.py", tmp_path / "digit.png", "--json", folder=tmp_path)
        logits = np.load(tiny.runs / "distill" / stages["distill"] / "student-0.test_logits.npy")
        assert found.code == 0, found.stderr
        assert json.dumps(str(logits[0].argmax())) in found.stdout

    def test_one_changed_byte_is_refused(self, bundle: Path) -> None:
        content = bytearray((bundle / "student.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (bundle / "student.onnx").write_bytes(content)
        assert inside("verify", bundle).code == 4
        assert python("-I", bundle / "verify.py").code == 4

    def test_a_file_too_many_is_refused(self, bundle: Path) -> None:
        (bundle / "extra.txt").touch()
        assert inside("verify", bundle).code == 4
        assert python("-I", bundle / "verify.py").code == 4

    def test_other_outputs_fail(self, bundle: Path) -> None:
        path = bundle / "golden" / "outputs.npz"
        with np.load(path, allow_pickle=False) as archive:
            outputs = {name: archive[name] + 1 for name in archive.files}
        stream = io.BytesIO()
        np.savez(stream, **outputs)
        replace(bundle, {"golden/outputs.npz": stream.getvalue()})
        assert inside("verify", bundle).code == 5
        assert python("-I", bundle / "verify.py").code == 5
