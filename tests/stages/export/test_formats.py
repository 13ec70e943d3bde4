"""Formats of a small network, converted and compared; what a converter may do wrong is done by runtimes made for
that."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kdeploy.errors import MissingError, ModelError, ParityError
from kdeploy.graphs import export
from kdeploy.models import shallow
from kdeploy.parity.module_truth import module_oracle
from kdeploy.parity.truth import onnx_oracle
from kdeploy.recipe.formats import FormatRequest
from kdeploy.records.export import Format, Processors
from kdeploy.runtimes import installed
from kdeploy.runtimes.protocol import NotOffered, Refused, Source
from kdeploy.stages.export import formats
from kdeploy.system.progress import Progress
from tests.fakes.scripted_runtime import ScriptedRuntime
from tests.parity.test_double import half

NET = shallow.seeded(
    1, shape=(1, 8, 8), classes=5, convolutions=[], bottleneck=6, hidden=[16], mean=(0.5,), std=(0.3,)
).eval()
INPUTS = np.random.default_rng(0).random((120, 1, 8, 8), np.float32)


@pytest.fixture
def subject(tmp_path: Path) -> formats.ConvertedModel:
    path = tmp_path / "student.onnx"
    export.write(NET, path, input_name="image", shape=(1, 8, 8))
    calibration, inputs = formats.divided(INPUTS[:30], INPUTS[30:])
    return formats.ConvertedModel("student", path, NET, module_oracle(NET, inputs), inputs, calibration)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Source, Path, str], Path]], None]:
    """Makes `scripted` a runtime that converts as a test says."""

    def install(convert: Callable[[Source, Path, str], Path]) -> None:
        class Converting(ScriptedRuntime):
            def convert(self, source: Source, folder: Path, *, precision: str) -> Path:
                return convert(source, folder, precision)

        def find(name: str) -> ScriptedRuntime:
            assert name == "scripted"
            return Converting()

        monkeypatch.setattr(formats.installed, "find", find)

    return install


def converted(tmp_path: Path, subject: formats.ConvertedModel, *asked: FormatRequest) -> tuple[Format, ...]:
    return formats.convert(tmp_path, asked, [subject], Progress())


def copied(source: Source, folder: Path, _precision: str) -> Path:
    target = folder / "model.onnx"
    target.write_bytes(source.onnx.read_bytes())
    return target


def spoiled(source: Source, folder: Path, precision: str) -> Path:
    """One weight in a hundred off by one percent: more than float32 rounds, less than int8 does."""
    target = copied(source, folder, precision)
    model = onnx.load(target)
    tensor = next(value for value in model.graph.initializer if list(value.dims) == [5, 16])
    weight = numpy_helper.to_array(tensor).copy()
    weight[4] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    onnx.save(model, target)
    return target


def test_a_format_is_converted_and_compared(subject: formats.ConvertedModel, tmp_path: Path):
    (made,) = converted(tmp_path, subject, FormatRequest("openvino"))
    files = sorted((tmp_path / "formats/openvino/student").iterdir())
    assert made.bytes == sum(path.stat().st_size for path in files)
    assert (made.key, made.file, made.refused) == ("openvino", "formats/openvino/student/model.xml", None)
    assert made.parity is not None
    assert (made.parity.inputs, made.parity.agreement, made.parity.passed) == (90, 1.0, True)


def test_the_onnx_file_is_a_format_that_onnxruntime_answers_for(subject: formats.ConvertedModel, tmp_path: Path):
    (made,) = converted(tmp_path, subject, FormatRequest("onnx"))
    assert (made.runtime, made.file, made.bytes) == ("onnx", "student.onnx", subject.path.stat().st_size)
    assert made.parity is not None
    assert made.parity.runtime == "onnxruntime"


def test_what_came_as_onnx_is_converted_in_a_child_and_judged_in_its_own_precision(tmp_path: Path):
    path, inputs = half(tmp_path / "teacher.onnx"), np.random.default_rng(0).random((64, 40), np.float32)
    teacher = formats.ConvertedModel("teacher", path, None, onnx_oracle(path, inputs), inputs, inputs[:0])
    plain, openvino = converted(tmp_path, teacher, FormatRequest("onnx"), FormatRequest("openvino"))
    for one in (plain, openvino):
        assert one.parity is not None
        assert (one.parity.passed, one.parity.precision, one.precision) == (True, "fp16", "fp32")
    assert openvino.bytes == sum(path.stat().st_size for path in (tmp_path / "formats/openvino/teacher").iterdir())


def test_a_format_says_for_which_processors_it_is(subject: formats.ConvertedModel, tmp_path: Path, scripted):
    plain, int8 = converted(tmp_path, subject, FormatRequest("onnx"), FormatRequest("onnxruntime", "int8"))
    assert plain.processors == Processors(
        names=("x86_64", "aarch64"), reason="float32 is computed as float32 on every processor"
    )
    assert int8.processors == Processors(
        names=("x86_64", "aarch64"),
        reason="weights of 7 bits: no sum of two products leaves 16 bits, with VNNI or without",
    )
    scripted(copied)
    (unknown,) = converted(tmp_path, subject, FormatRequest("scripted"))
    assert unknown.processors == Processors(names=None, reason="it follows a script")


def test_a_converter_gets_the_module_and_batches_to_calibrate_on(
    subject: formats.ConvertedModel, tmp_path: Path, scripted
):
    seen: list[Source] = []
    scripted(lambda source, folder, precision: seen.append(source) or copied(source, folder, precision))
    converted(tmp_path, subject, FormatRequest("scripted"))
    assert seen[0].module is not None
    assert seen[0].module() is NET
    batches = list(seen[0].calibration or ())
    assert np.array_equal(np.concatenate([batch["image"] for batch in batches]), INPUTS[30::3])
    assert [len(batch["image"]) for batch in batches] == [30]


def test_nothing_is_calibrated_on_what_it_is_compared_on():
    calibration, compared = formats.divided(INPUTS[:30], INPUTS[30:])
    assert (len(calibration), len(compared)) == (30, 90)
    rows = {row.tobytes() for row in calibration} | {row.tobytes() for row in compared}
    assert len(rows) == 120


def test_a_runtime_that_is_not_here_is_an_error(subject: formats.ConvertedModel, tmp_path: Path):
    with pytest.raises(MissingError, match=r"^runtime 'nowhere': "):
        converted(tmp_path, subject, FormatRequest("nowhere"))


def test_a_refusal_of_what_was_asked_for_is_an_error(subject: formats.ConvertedModel, tmp_path: Path, scripted):
    def refuse(_source: Source, _folder: Path, _precision: str) -> Path:
        raise Refused("it does not take models of this kind")

    scripted(refuse)
    with pytest.raises(ModelError) as caught:
        converted(tmp_path, subject, FormatRequest("scripted", "int8"))
    assert str(caught.value) == (
        "format scripted:int8: must take the student (it does not take models of this kind). "
        "Remove scripted:int8 from export.formats."
    )
    (made,) = converted(tmp_path, subject, FormatRequest("scripted", "int8", optional=True))
    assert (made.key, made.file, made.bytes) == ("scripted:int8", "", 0)
    assert (made.refused, made.parity) == ("it does not take models of this kind", None)
    assert not (tmp_path / "formats" / "scripted-int8" / "student").exists()


def test_a_teacher_that_is_refused_does_not_keep_the_student_back(
    subject: formats.ConvertedModel, tmp_path: Path, scripted
):
    def refuse(_source: Source, _folder: Path, _precision: str) -> Path:
        raise Refused("it is made of a torch module, and this model came as ONNX")

    scripted(refuse)
    (made,) = converted(tmp_path, dataclasses.replace(subject, name="teacher"), FormatRequest("scripted"))
    assert (made.model, made.file) == ("teacher", "")
    assert made.refused == "it is made of a torch module, and this model came as ONNX"


def test_a_precision_that_a_runtime_has_not_is_left_out_of_all(
    subject: formats.ConvertedModel, tmp_path: Path, scripted
):
    def refuse(_source: Source, _folder: Path, _precision: str) -> Path:
        raise NotOffered("scripted converts to fp32 only")

    scripted(refuse)
    assert converted(tmp_path, subject, FormatRequest("scripted", "bf16", optional=True)) == ()


@pytest.mark.parametrize("optional", [False, True])
def test_a_format_in_fp32_that_is_not_the_trained_net_is_an_error(
    subject: formats.ConvertedModel, tmp_path: Path, scripted, optional: bool
):
    scripted(spoiled)
    with pytest.raises(ParityError, match=r"^student on scripted: must be within "):
        converted(tmp_path, subject, FormatRequest("scripted", optional=optional))


def test_the_same_file_is_within_the_row_of_int8(subject: formats.ConvertedModel, tmp_path: Path, scripted):
    scripted(spoiled)
    (made,) = converted(tmp_path, subject, FormatRequest("scripted", "int8"))
    assert made.refused is None
    assert made.parity is not None
    assert (made.parity.precision, made.parity.passed) == ("int8", True)


def test_a_precision_that_loses_too_much_is_refused_under_all_and_an_error_by_name(
    subject: formats.ConvertedModel, tmp_path: Path, scripted
):
    def negated(source: Source, folder: Path, precision: str) -> Path:
        target = copied(source, folder, precision)
        model = onnx.load(target)
        for tensor in model.graph.initializer:
            if list(tensor.dims) == [5, 16]:
                tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
        onnx.save(model, target)
        return target

    scripted(negated)
    with pytest.raises(ParityError, match=r"^student on scripted in fp16: must be within "):
        converted(tmp_path, subject, FormatRequest("scripted", "fp16"))
    (made,) = converted(tmp_path, subject, FormatRequest("scripted", "fp16", optional=True))
    row = made.parity
    assert row is not None
    assert made.file == ""
    assert made.refused == (f"off by {row.max_abs_error:.3g}, {row.flips} flipped, where {row.budget:.3g} is allowed")


def test_int8_whose_answers_are_others_is_refused_even_by_name(
    subject: formats.ConvertedModel, tmp_path: Path, scripted
):
    def swapped(source: Source, folder: Path, precision: str) -> Path:
        target = copied(source, folder, precision)
        model = onnx.load(target)
        for tensor in model.graph.initializer:
            if list(tensor.dims) in ([5, 16], [5]):
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[::-1].copy(), tensor.name))
        onnx.save(model, target)
        return target

    scripted(swapped)
    (made,) = converted(tmp_path, subject, FormatRequest("scripted", "int8"))
    row = made.parity
    assert row is not None
    assert row.agreement < 0.95
    assert (made.file, made.bytes) == ("", 0)
    assert made.refused == (
        f"off by {row.max_abs_error:.3g}, {row.agreement:.1%} agree, of at least 95%, where {row.budget:.3g} is allowed"
    )
    assert not (tmp_path / "formats/scripted-int8/student").exists()


def test_what_a_precision_lacks_is_an_error_by_name_and_a_reason_under_all(
    subject: formats.ConvertedModel, tmp_path: Path, scripted
):
    def lacking(_source: Source, _folder: Path, _precision: str) -> Path:
        raise MissingError("runtime 'scripted'", "must have a package", advice="Install it.")

    scripted(lacking)
    with pytest.raises(MissingError):
        converted(tmp_path, subject, FormatRequest("scripted", "int8"))
    (made,) = converted(tmp_path, subject, FormatRequest("scripted", "int8", optional=True))
    assert made.refused == "runtime 'scripted': must have a package. Install it."


def test_a_conversion_that_wrote_nothing_is_an_error(subject: formats.ConvertedModel, tmp_path: Path, scripted):
    def forgets(_source: Source, folder: Path, _precision: str) -> Path:
        (folder / "model.bin").touch()
        return folder / "model.bin"

    scripted(forgets)
    with pytest.raises(ModelError) as caught:
        converted(tmp_path, subject, FormatRequest("scripted"))
    assert str(caught.value) == "format scripted: must write the student (nothing in model.bin)."


def test_what_an_earlier_conversion_left_is_removed(subject: formats.ConvertedModel, tmp_path: Path):
    old = tmp_path / "formats/openvino/student/old"
    old.parent.mkdir(parents=True)
    old.touch()
    converted(tmp_path, subject, FormatRequest("openvino"))
    assert not old.exists()


def test_every_runtime_here_is_found_under_its_own_name():
    assert all(installed.find(name).name == name for name in installed.available())
