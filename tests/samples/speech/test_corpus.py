from __future__ import annotations

import numpy as np
import pytest

from kdeploy.errors import DataError, KdeployError, ResourceError
from kdeploy.samples.contents import Contents
from kdeploy.samples.room import Room
from kdeploy.samples.speech import corpus, front_end
from kdeploy.samples.speech.corpus import Utterance
from kdeploy.samples.split import Counts
from kdeploy.samples.windows import Windows
from tests.samples.speech.recordings import SECOND, riff

pytest.importorskip("kaldi_native_fbank", reason="filter banks come from the extra 'speech'")
pytest.importorskip("soundfile", reason="sounds are decoded by the extra 'speech'")

FRAMES = 98  # of a second


def utterance(name: str, *, group: str = "", labels: np.ndarray | None = None, sound: bytes = b"") -> Utterance:
    found = np.zeros(FRAMES, np.int64) if labels is None else labels
    return Utterance(name, group or name, sound or riff(SECOND), lambda _count: found)


def contents(*train: Utterance, test: tuple[Utterance, ...] = (), context: int = 3, limit: int = 1 << 24) -> Contents:
    return corpus.contents(train, test, class_names=("a", "b"), context=context, where="speech", room=Room(limit=limit))


def refused(*train: Utterance, kind: type[KdeployError] = DataError, limit: int = 1 << 24) -> str:
    with pytest.raises(kind) as caught:
        contents(*train, limit=limit)
    return str(caught.value)


def rows(found: Contents) -> np.ndarray:
    array, kind = found.decode(np.arange(len(found.labels))).inputs["speech"]
    assert isinstance(array, Windows)
    assert kind == "array"
    return np.asarray(array).reshape(len(array), -1, front_end.VALUES)


def test_a_sample_is_a_frame_with_its_neighbours_and_the_ends_are_repeated():
    frames = front_end.frames((SECOND / 32_768).astype(np.float32))
    windows = rows(contents(utterance("one")))
    assert windows.shape == (FRAMES, 3, 123)
    np.testing.assert_array_equal(windows[0], frames[[0, 0, 1]])
    np.testing.assert_array_equal(windows[50], frames[49:52])
    np.testing.assert_array_equal(windows[-1], frames[[-2, -1, -1]])


def test_no_window_reaches_into_another_utterance():
    alone = rows(contents(utterance("one")))
    both = rows(contents(utterance("zero", sound=riff(-SECOND)), utterance("one")))
    np.testing.assert_array_equal(both[FRAMES:], alone)


def test_each_frame_is_kept_once():
    array, _ = contents(utterance("one"), utterance("two"), context=15).decode(np.arange(5)).inputs["speech"]
    assert isinstance(array, Windows)
    assert array.frames.shape == (2 * (FRAMES + 14), 123)


def test_a_frame_without_a_label_is_no_sample_but_is_seen():
    labels = np.zeros(FRAMES, np.int64)
    labels[1] = -1
    windows, whole = rows(contents(utterance("one", labels=labels))), rows(contents(utterance("one")))
    np.testing.assert_array_equal(windows, whole[np.arange(FRAMES) != 1])


def test_labels_that_end_before_the_sound_cut_it():
    assert len(contents(utterance("one", labels=np.ones(5, np.int64))).labels) == 5
    assert len(contents(utterance("one", labels=np.ones(500, np.int64))).labels) == FRAMES


def test_a_sound_without_a_frame_gives_none():
    short = utterance("short", sound=riff(SECOND[:100]))
    assert len(contents(short, utterance("one")).labels) == FRAMES


def test_no_group_is_in_two_parts():
    found = contents(*(utterance(f"u{number}", group=f"s{number // 2}") for number in range(8)), test=(utterance("t"),))
    assert found.first_test == 8 * FRAMES
    parts = found.divided(Counts(labeled=150, held_out=150), seed=3)
    groups = {name: set(found.groups[part].tolist()) for name, part in parts.items()}
    assert {name: len(part) for name, part in parts.items()} == {
        "labeled": 150,
        # the other 46 frames of the speaker who is held out are in no part
        "unlabeled": 6 * FRAMES - 150,
        "held_out": 150,
        "test": FRAMES,
    }
    assert not groups["held_out"] & (groups["labeled"] | groups["unlabeled"])


def test_without_test_recordings_the_test_part_is_divided_off():
    assert contents(utterance("one")).first_test is None


def test_a_sound_of_another_rate_is_named():
    assert refused(utterance("one.wav", sound=riff(SECOND, rate=8_000))) == (
        "one.wav: must have 16000 samples a second (8000). Resample it first."
    )


def test_nothing_to_train_on_is_refused():
    assert refused() == "speech: must have at least 1 frame with a label to train on (0)."


def test_frames_above_the_limit_are_refused():
    # 100 frames of 123 numbers of 4 bytes
    assert refused(utterance("one"), utterance("two"), kind=ResourceError, limit=70_000) == (
        "speech: must have frames of at most 70000 bytes (more at two). Take fewer recordings."
    )
