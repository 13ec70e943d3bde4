from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy import errors
from kdeploy.system import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as first, os.fdopen(writing, "wb") as second:
        yield first.fileno(), second.fileno()


@given(st.dictionaries(st.text(), JSON))
def test_a_message_arrives_as_it_was_sent(message: dict[str, object]) -> None:
    reading, writing = os.pipe()
    try:
        wire.send(writing, message)
        assert wire.receive(reading, patience_s=5) == message
    finally:
        os.close(reading)
        os.close(writing)


def test_a_message_that_is_not_a_number_is_never_sent(pipe: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.send(pipe[1], {"ns": float("nan")})


def test_silence_is_noticed(pipe: tuple[int, int]) -> None:
    with pytest.raises(wire.TooSlow):
        wire.receive(pipe[0], patience_s=0.01)


def test_an_end_within_a_message_is_noticed() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\0\0\0\x09{")
    os.close(writing)
    with pytest.raises(wire.Closed):
        wire.receive(reading, patience_s=5)
    os.close(reading)


def test_nobody_listening_is_noticed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(wire.Closed):
        wire.send(writing, {})
    os.close(writing)


def test_a_length_beyond_reason_is_refused_before_it_is_read(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"\xff\xff\xff\xff")
    with pytest.raises(wire.TooLarge):
        wire.receive(pipe[0], patience_s=5)


@pytest.mark.parametrize("kind", wire._BUILT_FROM_FIELDS)
def test_an_error_keeps_its_class_and_its_sentence(kind: type[errors.KdeployError]) -> None:
    sent = kind("here", "must be so", got="not so", advice="Make it so.")
    received = wire.error_from_json(sent.as_json())
    assert type(received) is kind
    assert str(received) == "here: must be so (not so). Make it so."


@pytest.mark.parametrize("kind", ["Interrupted", "SystemExit", "annotations", None])
def test_an_error_of_another_kind_arrives_as_a_plain_one(kind: str | None) -> None:
    received = wire.error_from_json({"kind": kind, "where": "here", "must": "must be so"})
    assert type(received) is errors.KdeployError
    assert str(received) == "here: must be so."


def test_an_error_without_fields_still_has_a_sentence() -> None:
    assert str(wire.error_from_json({})) == "worker: must report its error."
