from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from kdeploy.reports.differing import SHOWN, shown
from kdeploy.reports.pictures import data_uri, pixels
from kdeploy.samples.sampleset import SampleSet
from tests.reports.report_records import decisions, drawing


def opened(uri: str) -> tuple[str, Image.Image]:
    kind, _, content = uri.partition(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_small_picture_keeps_every_pixel(channels, mode):
    array = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), np.uint8)
    kind, picture = opened(data_uri(array))
    assert (kind, picture.mode, picture.size) == ("data:image/png", mode, (7, 5))
    assert np.array_equal(np.asarray(picture), np.moveaxis(array, 0, -1).squeeze())


def test_a_large_picture_becomes_small_in_pixels_and_in_bytes():
    noise = np.random.default_rng(0).integers(0, 256, (3, 480, 240), np.uint8)
    uri = data_uri(noise)
    kind, picture = opened(uri)
    assert (kind, picture.size) == ("data:image/jpeg", (48, 96))
    assert len(uri) < 8000


def sampleset(array: np.ndarray, kind: str) -> SampleSet:
    parts = {name: np.arange(place, place + 1) for place, name in enumerate(("labeled", "held_out", "test"))}
    parts["unlabeled"] = np.arange(0)
    return SampleSet({"x": array}, np.zeros(3, np.int64), parts, ("a",), {"x": kind})


def test_pictures_are_those_of_images_alone():
    images = np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2)
    found = pixels(sampleset(images, "image"), "x")
    assert found is not None and found(1).tolist() == [[[4, 5], [6, 7]]]
    assert pixels(sampleset(np.zeros((3, 4), np.float32), "array"), "x") is None


def test_a_bounded_number_of_differences_is_shown_with_the_names_of_their_classes():
    many = decisions().differences * 10
    found = shown(decisions(differences=many), drawing)
    assert (len(many), len(found)) == (50, SHOWN)
    assert (found[0].student, found[0].teacher, found[0].label) == ("1", "9", "7")
    assert found[0].picture == data_uri(drawing(2801))
    assert shown(decisions(), None)[0].picture is None
