from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from kdeploy.errors import DataError
from kdeploy.samples.sampleset import SampleSet
from kdeploy.samples.sources import content_hash, load
from kdeploy.samples.speech import timit
from kdeploy.samples.speech.phones import PHONES
from tests.samples.speech.recordings import SECOND, riff, sentence, sphere
from tests.samples.speech.recordings import timit as written

pytest.importorskip("kaldi_native_fbank", reason="filter banks come from the extra 'speech'")
pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'speech'")

SPLIT = {"labeled": 150, "unlabeled": 0, "held_out": 100}


def loaded(folder: Path, **more: object) -> SampleSet:
    return load({"timit": str(folder), **more}, split=SPLIT)


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        loaded(folder)
    return str(caught.value)


def test_a_folder_of_timit_is_windows_of_frames_with_a_state_each(tmp_path: Path):
    samples = loaded(written(tmp_path))
    # two speakers of two sentences of 98 frames; SA1 is left out
    assert samples.record.counts == {"labeled": 150, "unlabeled": 0, "held_out": 100, "test": 2 * 2 * 98}
    assert samples.record.source == {"timit": tmp_path.name}
    assert samples.record.inputs["speech"].shape == (1_845,)
    assert len(samples.class_names) == 183
    names = {samples.class_names[label] for label in samples.labels[samples.parts["test"]]}
    assert names == {f"{phone} {state}" for phone in ("h#", "aa", "s") for state in range(3)}


def test_the_middle_of_a_window_says_its_phone(tmp_path: Path):
    samples = loaded(written(tmp_path), targets="phones", context=1)
    first = samples.labels[samples.parts["test"]][:98]
    # 160 x 48 + 200 = 7,880 is in the silence before sample 8,000, and 8,040 is not
    assert first.tolist() == [PHONES.index("h#")] * 49 + [PHONES.index("aa")] * 49
    assert samples.record.inputs["speech"].shape == (123,)


def test_a_speaker_who_is_held_out_is_in_no_other_part(tmp_path: Path):
    counts = load({"timit": str(written(tmp_path))}, split={"labeled": 1, "held_out": 50}).record.counts
    # the other 146 frames of the speaker are in no part
    assert counts["unlabeled"] == 3 * 196 - 1


def test_folded_targets_are_the_39_that_are_scored(tmp_path: Path):
    assert len(loaded(written(tmp_path), targets="folded").class_names) == 39


@pytest.mark.parametrize("order", ["01", "10"])
def test_sphere_and_riff_are_the_same_sound(tmp_path: Path, order: str):
    for name, sound, suffix in (("sphere", sphere(SECOND, order=order), ".WAV"), ("riff", riff(SECOND), ".WAV.wav")):
        written(tmp_path / name)
        sentence(tmp_path / name / "TEST/DR1/E0", "SI9", "0 16000 iy\n", sound, suffix=suffix)
    one, other = (loaded(tmp_path / name, targets="phones") for name in ("sphere", "riff"))
    iy = one.labels == PHONES.index("iy")
    assert iy.sum() == 98
    np.testing.assert_array_equal(np.asarray(one.inputs["speech"])[iy], np.asarray(other.inputs["speech"])[iy])


def test_small_letters_are_as_good(tmp_path: Path):
    written(tmp_path / "large")
    for path in sorted((tmp_path / "large").rglob("*")):
        if path.is_file():
            place = tmp_path / "small" / str(path.relative_to(tmp_path / "large")).lower()
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    large, small = (loaded(tmp_path / name) for name in ("large", "small"))
    assert large.sample_hash == small.sample_hash


def test_the_content_hash_is_over_what_is_read(tmp_path: Path):
    settings = {"timit": str(written(tmp_path))}
    before = content_hash(settings)
    (tmp_path / "README.DOC").write_text("of no importance")
    assert content_hash(settings) == before
    (tmp_path / "TRAIN/DR1/R0/SX0.PHN").write_text("0 16000 aa\n")
    assert content_hash(settings) != before


@pytest.mark.parametrize(
    ("transcript", "problem"),
    [
        ("0 8000 aa\n8000 16000\n", ":2: must be a first sample, a last one and one of the 61 phones of TIMIT"),
        ("0 8000 a\n", ":1: must be a first sample, a last one and one of the 61 phones of TIMIT"),
        (f"0 {2**63} aa\n", ":1: must be a first sample, a last one and one of the 61 phones of TIMIT"),
        (f"0 {'9' * 5000} aa\n", ":1: must be a first sample, a last one and one of the 61 phones of TIMIT"),
        ("-1 8000 aa\n", ":1: must be a first sample, a last one and one of the 61 phones of TIMIT"),
        ("0 8000 aa\n7000 9000 s\n", ":2: must be a segment of at least 1 sample that begins at 8000 or later"),
        ("5 5 aa\n", ":1: must be a segment of at least 1 sample that begins at 0 or later"),
    ],
)
def test_a_line_that_is_no_segment_is_named(tmp_path: Path, transcript: str, problem: str):
    path = tmp_path / "SX1.PHN"
    path.write_text(transcript)
    with pytest.raises(DataError) as caught:
        timit.segments(path)
    number = int(problem[1])
    assert str(caught.value) == f"{path}{problem} ({transcript.splitlines()[number - 1]!r})."


def test_an_empty_transcript_is_refused(tmp_path: Path):
    path = tmp_path / "SX1.PHN"
    path.write_text("")
    with pytest.raises(DataError) as caught:
        timit.segments(path)
    assert str(caught.value) == f"{path}: must have at least 1 segment (0)."


def test_a_transcript_without_a_sound_is_named(tmp_path: Path):
    written(tmp_path)
    (tmp_path / "TEST/DR1/E0/SX1.WAV").unlink()
    assert refused(tmp_path) == (
        f"{tmp_path}/TEST/DR1/E0/SX1.PHN: must have its sound beside it (no SX1.WAV). Copy it from your TIMIT."
    )


def test_a_folder_without_test_is_refused(tmp_path: Path):
    written(tmp_path)
    shutil.rmtree(tmp_path / "TEST")
    assert refused(tmp_path) == (
        f"{tmp_path}: must hold the folders TRAIN and TEST (TRAIN). Give the folder of TIMIT that has them."
    )


def test_a_sound_that_is_none_is_named(tmp_path: Path):
    sentence(written(tmp_path) / "TRAIN/DR1/R0", "SX1", "0 16000 aa\n", b"NIST_1A\n   1024\nend_head\n")
    assert refused(tmp_path).startswith(f"{tmp_path}/TRAIN/DR1/R0/SX1.WAV: must be a sound that can be decoded (")
