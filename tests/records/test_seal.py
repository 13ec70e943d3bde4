"""A sealed document shows every byte that was changed, cut off or added."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.errors import IntegrityError
from kdeploy.records.seal import is_sealed, seal_of, sealed, with_field

NAMES = st.text(min_size=1, max_size=4).filter(lambda name: name != "seal")  # which no record has before it is sealed
TEXTS = st.dictionaries(NAMES, st.integers() | st.text(max_size=9), min_size=1).map(
    lambda document: json.dumps(document, indent=1) + "\n"
)
DOCUMENT = sealed('{\n "schema": "a/1",\n "value": 1.5\n}\n')
DIGITS = "0123456789abcdef"


@given(TEXTS)
def test_the_seal_is_the_last_field_and_the_document_is_the_same_besides(text):
    found = json.loads(sealed(text))
    assert list(found)[-1] == "seal"
    assert found.pop("seal") == seal_of(sealed(text), where="x")
    assert found == json.loads(text)


@pytest.mark.parametrize("place", range(len(DOCUMENT)))
def test_each_flipped_bit_is_found(place):
    for bit in range(8):
        content = bytearray(DOCUMENT)
        content[place] ^= 1 << bit
        with pytest.raises(IntegrityError, match=r"^x: must be as it was written \("):
            seal_of(bytes(content), where="x")


@given(st.integers(0, len(DOCUMENT) - 1), st.binary(min_size=1, max_size=3))
def test_what_was_cut_off_or_added_is_found(length, more):
    for content in (DOCUMENT[:length], DOCUMENT + more, more + DOCUMENT):
        with pytest.raises(IntegrityError):
            seal_of(content, where="x")


def test_the_message_says_what_was_found_and_what_to_do():
    edited = DOCUMENT.replace(b"1.5", b"1.6")
    with pytest.raises(IntegrityError) as caught:
        seal_of(edited, where="r.json", advice="Do it again.")
    sealed_with, now = (
        json.loads(DOCUMENT)["seal"][:12],
        seal_of(sealed('{\n "schema": "a/1",\n "value": 1.6\n}\n'), where=""),
    )
    assert str(caught.value) == (
        f"r.json: must be as it was written (sealed {sealed_with}, its bytes give {now[:12]}). Do it again."
    )
    with pytest.raises(IntegrityError) as caught:
        seal_of(b"{}\n", where="r.json")
    assert str(caught.value) == "r.json: must be as it was written (it has no seal)."


def test_only_a_document_with_a_seal_at_its_end_is_sealed():
    assert is_sealed(DOCUMENT)
    assert not is_sealed(DOCUMENT[:-1])
    assert not is_sealed(b'{\n "schema": "a/1"\n}\n')


def test_a_field_is_put_at_the_end():
    assert with_field('{\n "a": 1\n}\n', "b", "[2]") == '{\n "a": 1,\n "b": [2]\n}\n'
