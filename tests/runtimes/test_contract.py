from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError, MissingError
from kdeploy.runtimes import installed
from kdeploy.runtimes.contract import ContractError, check
from kdeploy.runtimes.protocol import Arrays, Processors, Refused, Session, Source
from tests.fakes.scripted_runtime import Answers, Script, ScriptedRuntime, ScriptedSession, honest, replay
from tests.runtimes.conftest import conv_linear_model, idle_model, saved_source, two_input_model
from tests.runtimes.exported import exported_source

INSTALLED = sorted(installed.available())


def test_at_least_the_runtimes_of_the_core_are_installed():
    assert {"onnxruntime", "openvino", "ort", "reference"} <= set(INSTALLED)


@pytest.mark.parametrize("name", installed.names())
def test_every_runtime_of_ours_keeps_the_contract_on_an_exported_net(name: str, tmp_path: Path, folder: Path):
    """The one source that all of them take: a module, and the ONNX file that it was exported to."""
    if name not in INSTALLED:
        pytest.skip(f"{name} is not installed")
    # float32 sums of at most 64 products of size 1, in any order
    check(installed.find(name), exported_source(tmp_path), folder, absolute_tolerance=1e-5)


@pytest.mark.parametrize("name", INSTALLED)
def test_arrays_of_any_layout_and_read_only_ones_are_read_right(name: str, tmp_path: Path, folder: Path):
    source, runtime = exported_source(tmp_path), installed.find(name)
    session = runtime.load(runtime.convert(source, folder, precision="fp32"), threads=1)
    plain = source.example["image"][:1]
    for array in (
        np.asfortranarray(plain),
        plain[::-1],
        plain[:, :, ::-1],
        np.broadcast_to(plain[:, :, :1], plain.shape),
    ):
        expected = session.run({"image": np.ascontiguousarray(array)})["logits"]
        assert np.array_equal(session.run({"image": array})["logits"], expected)
    session.close()


def check_unless_refused(name: str, source: Source, folder: Path, *, absolute_tolerance: float) -> None:
    try:
        check(installed.find(name), source, folder, absolute_tolerance=absolute_tolerance)
    except Refused as refusal:
        pytest.skip(refusal.reason)


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize(
    "model", [conv_linear_model(), conv_linear_model(rows=2), two_input_model()], ids=["free", "fixed", "two inputs"]
)
def test_an_installed_runtime_keeps_the_contract(name: str, model, tmp_path: Path, folder: Path):
    # float32 sums of at most 64 products of size 1, in any order
    check_unless_refused(name, saved_source(model, tmp_path), folder, absolute_tolerance=1e-5)


@pytest.mark.parametrize("name", INSTALLED)
@pytest.mark.parametrize("op_type", ["Identity", "Flatten"])
def test_an_idle_model_keeps_its_names_and_answers_with_its_own_array(
    name: str, op_type: str, tmp_path: Path, folder: Path
):
    """OpenVINO drops an Identity; the reference evaluator flattens into a view of its input."""
    source = saved_source(idle_model(op_type), tmp_path)
    runtime = installed.find(name)
    if (name, op_type) == ("ncnn", "Identity"):
        pytest.skip("pnnx 20261020 crashes on a graph without work, which test_ncnn sees")
    check_unless_refused(name, source, folder, absolute_tolerance=0)
    source = source._replace(example={"x": source.example["x"][:1]})
    session = runtime.load(runtime.convert(source, folder, precision="fp32"), threads=1)
    assert not np.shares_memory(session.run(source.example)["y"], source.example["x"])


def test_the_scripted_runtime_keeps_the_contract_while_it_is_honest(source: Source, folder: Path):
    check(ScriptedRuntime(), source, folder, absolute_tolerance=1e-6)


def broken(runtime, source: Source, folder: Path) -> str:
    """What the contract says against this runtime."""
    with pytest.raises(ContractError) as caught:
        check(runtime, source, folder, absolute_tolerance=1e-5)
    sentence = str(caught.value)
    assert sentence.startswith("runtime 'scripted' breaks its contract: ")
    return sentence.removeprefix("runtime 'scripted' breaks its contract: ")


def changed(change: Callable[[Answers], Answers]) -> Script:
    return lambda session, inputs: change(session.run(inputs))


def forgets_the_second_output(answers: Answers) -> Answers:
    return {"logits": answers["logits"]}


def answers_in_double(answers: Answers) -> Answers:
    return answers | {"logits": answers["logits"].astype(np.float64)}


def answers_the_first_row(answers: Answers) -> Answers:
    return answers | {"logits": answers["logits"][:1]}


def answers_in_half_precision(answers: Answers) -> Answers:
    return answers | {"logits": answers["logits"] * np.float32(1.001)}


def answers_not_a_number(answers: Answers) -> Answers:
    return answers | {"logits": answers["logits"] * np.float32("nan")}


def answers_a_list(answers: Answers) -> Answers:
    return answers | {"logits": answers["logits"].tolist()}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (forgets_the_second_output, "outputs must be named ['logits', 'total'] as in the graph, not ['logits']"),
        (answers_in_double, "output 'logits' at batch 1 must be float32, not float64"),
        (answers_the_first_row, "output 'logits' at batch 2 must have the shape (2, 10), not (1, 10)"),
        (
            answers_not_a_number,
            "output 'logits' at batch 1 must be within 1e-05 of the reference evaluator, but is nan off",
        ),
        (answers_a_list, "output 'logits' at batch 1 must be an array, not list"),
    ],
)
def test_a_wrong_answer_is_named(change, sentence: str, source: Source, folder: Path):
    assert broken(ScriptedRuntime(changed(change)), source, folder) == sentence


def test_a_slightly_wrong_answer_is_named_with_its_error(source: Source, folder: Path):
    sentence = broken(ScriptedRuntime(changed(answers_in_half_precision)), source, folder)
    first_row = {"image": source.example["image"][:1]}
    session = ScriptedRuntime().load(folder / "model.onnx", threads=1)
    error = float(np.max(np.abs(session.run(first_row)["logits"]))) * 0.001
    assert sentence == (
        f"output 'logits' at batch 1 must be within 1e-05 of the reference evaluator, but is {error:.3g} off"
    )


def test_an_answer_that_ignores_the_input_is_caught(source: Source, folder: Path):
    constant = {"logits": np.zeros((1, 10), np.float32), "total": np.zeros(1, np.float32)}
    sentence = broken(ScriptedRuntime(replay([constant])), source, folder)
    assert "must be within 1e-05 of the reference evaluator" in sentence


def test_an_input_that_is_written_to_is_caught(source: Source, folder: Path):
    def scribbles(session: Session, inputs: Arrays) -> Answers:
        answers = session.run(inputs)
        inputs["image"][...] = 0
        return answers

    assert broken(ScriptedRuntime(scribbles), source, folder) == "run must leave its inputs as they were"


def test_an_output_that_the_next_run_overwrites_is_caught(source: Source, folder: Path):
    buffers: dict[tuple[int, ...], np.ndarray] = {}

    def reuses_its_buffer(session: Session, inputs: Arrays) -> Answers:
        answers = session.run(inputs)
        buffer = buffers.setdefault(answers["logits"].shape, np.empty_like(answers["logits"]))
        np.copyto(buffer, answers["logits"])
        return answers | {"logits": buffer}

    sentence = broken(ScriptedRuntime(reuses_its_buffer), source, folder)
    assert sentence == "an output must stay as it was when the session runs again"


def test_an_answer_that_drifts_within_tolerance_is_caught(source: Source, folder: Path):
    calls = iter(range(1000))

    def drifts(session: Session, inputs: Arrays) -> Answers:
        answers = session.run(inputs)
        return answers | {"logits": answers["logits"] + np.float32(5e-7 * next(calls))}

    assert broken(ScriptedRuntime(drifts), source, folder) == "the same input must give the same output"


def test_an_input_that_is_read_as_it_lies_in_memory_is_caught(source: Source, folder: Path):
    def reads_as_it_lies(session: Session, inputs: Arrays) -> Answers:
        return session.run({name: array.ravel("K").reshape(array.shape) for name, array in inputs.items()})

    sentence = broken(ScriptedRuntime(reads_as_it_lies), source, folder)
    assert sentence == "an input must be read alike however it lies in memory"


def judges_by(*, names: bool = True, dtypes: bool = True, rank: bool = True, lengths: bool = True) -> Script:
    """Accepts what it does not judge by, after making it what the model wants."""

    def script(session: Session, inputs: Arrays) -> Answers:
        array = inputs.get("image")
        if array is None and not names and inputs:
            array = next(iter(inputs.values()))
        if array is None or (names and set(inputs) != {"image"}):
            return session.run(inputs)
        if not dtypes:
            array = array.astype(np.float32)
        if not rank and array.ndim == 5:
            array = array[0]
        if not lengths and array.ndim == 4:
            array = array[:, :1, :8, :8]
        return session.run({"image": array})

    return script


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (judges_by(names=False), "run must refuse an input it does not have with a DataError, but answered"),
        (judges_by(dtypes=False), "run must refuse input 'image' as float64 with a DataError, but answered"),
        (judges_by(rank=False), "run must refuse input 'image' with an axis more with a DataError, but answered"),
        (
            judges_by(lengths=False),
            "run must refuse input 'image' with axis 1 twice as long with a DataError, but answered",
        ),
    ],
)
def test_an_input_that_should_be_refused_is_named(script: Script, sentence: str, source: Source, folder: Path):
    assert broken(ScriptedRuntime(script), source, folder) == sentence


def test_an_input_under_another_name_that_is_accepted_is_caught(source: Source, folder: Path):
    def takes_any_single_input(session: Session, inputs: Arrays) -> Answers:
        return session.run({"image": next(iter(inputs.values()))} if len(inputs) == 1 else inputs)

    sentence = broken(ScriptedRuntime(takes_any_single_input), source, folder)
    assert sentence == "run must refuse input 'image' under another name with a DataError, but answered"


def test_a_foreign_error_for_a_wrong_input_is_caught(source: Source, folder: Path):
    def leaks(session: Session, inputs: Arrays) -> Answers:
        try:
            return session.run(inputs)
        except DataError as exc:
            raise ValueError("foreign") from exc

    sentence = broken(ScriptedRuntime(leaks), source, folder)
    assert sentence == "run must refuse no input at all with a DataError, not with ValueError"


def test_a_session_that_answers_after_close_is_caught(source: Source, folder: Path):
    class Undead(ScriptedRuntime):
        def load(self, artefact: Path, *, threads: int) -> ScriptedSession:
            session = super().load(artefact, threads=threads)
            session.close = lambda: None
            return session

    assert broken(Undead(), source, folder) == "run must raise after close(), but answered"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"threads": 1}, "settings must map text to text, but are {'threads': 1}"),
        ({"threads": "2"}, "settings must say the 1 thread that was asked for, or nothing, not 2"),
        ({"precision": "bf16"}, "settings must say the precision fp32 of the artefact, or nothing, not bf16"),
    ],
)
def test_wrong_settings_are_named(settings, sentence: str, source: Source, folder: Path):
    assert broken(ScriptedRuntime(settings=settings), source, folder) == sentence


def test_settings_may_leave_out_what_cannot_be_read_back(source: Source, folder: Path):
    check(ScriptedRuntime(settings={}), source, folder, absolute_tolerance=1e-6)


def test_a_fixed_batch_is_tried_at_that_batch_only(source: Source, folder: Path):
    sizes = set()

    def one_row(session: Session, inputs: Arrays) -> Answers:
        if "image" in inputs:
            sizes.add(len(inputs["image"]))
        return session.run(inputs)

    check(ScriptedRuntime(one_row, settings={"fixed_batch": "1"}), source, folder, absolute_tolerance=1e-6)
    assert sizes == {1}


class TestConversion:
    """Runtimes whose files are not what they promise."""

    def test_a_missing_artefact_is_caught(self, source: Source, folder: Path):
        class Forgets(ScriptedRuntime):
            def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
                path = super().convert(source, folder, precision=precision)
                path.unlink()
                return path

        sentence = broken(Forgets(), source, folder)
        assert sentence == f"convert must return a file that exists, but {folder / 'model.onnx'} does not"

    def test_an_artefact_elsewhere_is_caught(self, source: Source, folder: Path):
        class WritesBeside(ScriptedRuntime):
            def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
                return super().convert(source, folder.parent, precision=precision)

        sentence = broken(WritesBeside(), source, folder)
        assert sentence == f"convert must write into {folder}, but wrote {folder.parent / 'model.onnx'}"

    def test_a_refusal_without_a_reason_is_caught(self, source: Source, folder: Path):
        class Mute(ScriptedRuntime):
            def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
                raise Refused("")

        assert broken(Mute(), source, folder) == "a refusal must have a reason"

    def test_a_precision_that_is_ignored_is_caught(self, source: Source, folder: Path):
        class TakesAny(ScriptedRuntime):
            def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
                return super().convert(source, folder, precision="fp32")

        sentence = broken(TakesAny(), source, folder)
        assert sentence == "convert must raise Refused for a precision it does not know"


@pytest.mark.parametrize("said", [Processors((), "why"), Processors(("x86_64",), ""), Processors(None, "")])
def test_processors_without_names_or_a_reason_are_caught(said: Processors, source: Source, folder: Path):
    class Vague(ScriptedRuntime):
        def processors(self, precision: str) -> Processors:
            return said

    assert broken(Vague(), source, folder) == "processors must give names, or None, and a reason"


def test_a_runtime_that_does_not_speak_of_processors_is_caught(source: Source, folder: Path):
    class Silent(ScriptedRuntime):
        processors = None

    assert broken(Silent(), source, folder) == "processors must give names, or None, and a reason"


def test_a_missing_runtime_must_say_what_to_install(source: Source, folder: Path):
    sentence = broken(ScriptedRuntime(missing="It is not here."), source, folder)
    assert sentence == "missing() must name a pip or npm install command, but says 'It is not here.'"


def test_a_missing_runtime_is_not_reported_as_proved(source: Source, folder: Path):
    with pytest.raises(MissingError) as caught:
        check(ScriptedRuntime(missing="Run: pip install it"), source, folder, absolute_tolerance=1e-6)
    assert str(caught.value) == "runtime 'scripted': must be installed to be checked. Run: pip install it"


def test_an_empty_version_is_caught(source: Source, folder: Path):
    class Nameless(ScriptedRuntime):
        def version(self) -> str:
            return ""

    assert broken(Nameless(honest), source, folder) == "version() must not be empty"
