from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy.formatting.places import command_without_places, relative, without_places


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/me/recipe.yaml", "recipe.yaml"),
        ("/home/me/", "me"),
        ("/", "."),
        ("~/recipe.yaml", "recipe.yaml"),
        ("~", "~"),
        ("../../me/data", "data"),
        ("--runs=/home/me/runs", "--runs=runs"),
        ("--runs", "--runs"),
        ("data.images=/home/me/all pictures", "data.images=all pictures"),
        ("teacher=[{onnx: '/home/my name/a.onnx'}, {onnx: b.onnx}]", "teacher=[{onnx: 'a.onnx'}, {onnx: b.onnx}]"),
        ('{"images":"/home/me/pictures"}', '{"images":"pictures"}'),
        ("openvino:int8", "openvino:int8"),
        ("torch.nn:Linear", "torch.nn:Linear"),
        ("google/vit-base", "google/vit-base"),
        ("1/2 and 3 / 4", "1/2 and 3 / 4"),
        ("file:///home/me/x", "file:x"),
        ("/home/o'brien, me/x", "x"),
        ("data.images=/home/o'brien, me/x", "data.images=x"),
        ("it is at /home/me/x, or in '/home/me/y'", "it is at x, or in 'y'"),
    ],
)
def test_of_a_path_that_is_not_relative_the_last_name_stays(text: str, left: str):
    assert without_places(text) == left


@given(st.lists(st.text("ab .-_é", min_size=1).map(lambda part: f"me{part}x"), min_size=1))
def test_no_folder_of_a_path_is_left(parts: list[str]):
    for start in ("/", "~/", "../", "/home/"):
        assert without_places(start + "/".join([*parts, "last"])) == "last"


@given(st.from_regex(r"[a-z0-9.]*[a-z]", fullmatch=True), st.lists(st.sampled_from(["a", "b.c", "-", "_"])))
def test_what_is_relative_stays(first: str, others: list[str]):
    text = "/".join([first, *others])
    assert without_places(text) == text


def test_a_document_keeps_all_but_its_texts():
    document = {"a": [1, 2.5, None, True, {"/home/b": "/home/me/c"}], "d": "e/f"}
    assert relative(document) == {"a": [1, 2.5, None, True, {"/home/b": "c"}], "d": "e/f"}
    assert json.loads(json.dumps(relative(document))) == relative(document)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("kdeploy run a.yaml --runs runs --data-root data", "kdeploy run a.yaml --runs runs --data-root data"),
        ("kdeploy run /b/a.yaml --runs /b/runs --json", "kdeploy run a.yaml --json"),
        ("kdeploy run a.yaml --runs=/b/runs --data-root=~ --json", "kdeploy run a.yaml --json"),
        ("kdeploy run a.yaml --data-root ../c --set data.numpy=/c/d.npz", "kdeploy run a.yaml --set data.numpy=d.npz"),
        ("kdeploy bench /b/a.onnx /b/c.onnx --runs", "kdeploy bench a.onnx c.onnx --runs"),
    ],
)
def test_a_command_says_no_place_of_the_work(words: str, left: str):
    assert command_without_places(words.split()) == tuple(left.split())
