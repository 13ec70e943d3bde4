from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.samples.speech import phones
from kdeploy.samples.speech.phones import FOLDED, PHONES, Segment


def test_there_are_61_phones_and_39_to_score():
    assert len(set(PHONES)) == len(PHONES) == 61
    assert len(set(FOLDED)) == len(FOLDED) == 39


@pytest.mark.parametrize(
    ("phone", "name"),
    [
        ("aa", "aa"),
        ("ao", "aa"),
        ("ax-h", "ah"),
        ("axr", "er"),
        ("hv", "hh"),
        ("ix", "ih"),
        ("el", "l"),
        ("em", "m"),
        ("nx", "n"),
        ("eng", "ng"),
        ("zh", "sh"),
        ("ux", "uw"),
        ("kcl", "sil"),
        ("h#", "sil"),
        ("epi", "sil"),
        ("pau", "sil"),
        ("dx", "dx"),
        ("q", None),
    ],
)
def test_phones_are_folded_as_lee_and_hon_did(phone: str, name: str | None):
    assert phones.folded(phone) == name


def test_every_phone_but_q_is_folded_into_one_of_the_39():
    assert {phones.folded(phone) for phone in PHONES if phone != "q"} == set(FOLDED)


def test_classes_are_three_states_a_phone_or_phones():
    assert phones.class_names(("aa", "s"), "states") == ("aa 0", "aa 1", "aa 2", "s 0", "s 1", "s 2")
    assert phones.class_names(("aa", "s"), "phones") == ("aa", "s")
    assert phones.class_names(PHONES, "folded") == FOLDED


# windows of 400 samples every 160: their middles are at 200, 360, 520, 680, 840, 1000, ...
TWO = [Segment(0, 600, 4), Segment(600, 960, 2)]


def test_a_frame_is_of_the_segment_that_holds_the_middle_of_its_window():
    assert phones.labels(TWO, 6, "phones").tolist() == [4, 4, 4, 2, 2, -1]


def test_states_are_the_thirds_of_a_segment():
    # 200, 360 and 520 of 600 samples; 80 and 240 of 360
    assert phones.labels(TWO, 5, "states").tolist() == [13, 13, 14, 6, 8]


def test_frames_between_segments_have_no_label():
    assert phones.labels([Segment(300, 400, 0), Segment(600, 700, 1)], 5, "phones").tolist() == [-1, 0, -1, 1, -1]


def test_q_is_not_scored():
    segments = [Segment(0, 300, PHONES.index("q")), Segment(300, 900, PHONES.index("ix"))]
    assert phones.labels(segments, 3, "folded").tolist() == [-1, FOLDED.index("ih"), FOLDED.index("ih")]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=6), st.integers(0, 40))
def test_a_state_belongs_to_the_phone_of_its_frame(lengths: list[int], count: int):
    ends = np.cumsum([0, *lengths])
    segments = [Segment(int(start), int(stop), at) for at, (start, stop) in enumerate(pairwise(ends))]
    states, found = (phones.labels(segments, count, targets) for targets in ("states", "phones"))
    np.testing.assert_array_equal(np.where(states < 0, -1, states // 3), found)
    assert (np.diff(states[states >= 0]) >= 0).all()
