"""Text that leaves this machine, in a bundle or a report: without the folders of it, which tell homes and names.

What is relative stays as it is; of a path from the root, a home or a folder above, the last name stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_START = r"(?:/(?!\s)|~|\.\./)"
# a text that is a path, or a setting that is one
_WHOLE = re.compile(rf"(?P<setting>[\w.\[\]-]+=|)(?P<path>{_START}.*|/)", re.DOTALL)
# a path inside of a text goes to the quote, bracket, comma or equals sign that ends it: there may be spaces in it
_INSIDE = re.compile(rf"(?<![^\s=:,({{\[\"']){_START}[^\"',;=()\[\]{{}}\n]*")


_PLACES = ("--runs", "--data-root", "--out")


def without_places(text: str) -> str:
    r"""A text with each path that is not relative cut to its last name.

    >>> without_places("/home/me/a recipe.yaml"), without_places("teacher=[{onnx: /home/me/net.onnx}]")
    ('a recipe.yaml', 'teacher=[{onnx: net.onnx}]')
    >>> without_places("recipes/tiny.yaml"), without_places("1/2 of ../../other/data")
    ('recipes/tiny.yaml', '1/2 of data')
    """
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        return whole["setting"] + _last_name(whole["path"])
    return _INSIDE.sub(lambda found: _last_name(found[0]), text)


def command_without_places(words: Sequence[str]) -> tuple[str, ...]:
    """A command line without the places of this machine: where the work and the data lie says nothing of a result.

    >>> command_without_places(["kdeploy", "run", "/home/me/a.yaml", "--runs", "/home/me/runs", "--json"])
    ('kdeploy', 'run', 'a.yaml', '--json')
    """
    kept: list[str] = []
    for number, word in enumerate(words):
        option, _, value = word.partition("=")
        is_value = number > 0 and words[number - 1] in _PLACES
        place = word if is_value else value if option in _PLACES else ""
        if place and _WHOLE.fullmatch(place):
            del kept[len(kept) - is_value :]
        else:
            kept.append(without_places(word))
    return tuple(kept)


def relative(document: Mapping[str, object]) -> dict[str, object]:
    """A JSON document, with its texts `without_places`."""
    return {key: _relative(value) for key, value in document.items()}


def _relative(value: object) -> object:
    match value:
        case str():
            return without_places(value)
        case dict():
            return relative(value)
        case list() | tuple():
            return [_relative(one) for one in value]
    return value


def _last_name(path: str) -> str:
    return path.rstrip("/ ").rpartition("/")[2] or "."
