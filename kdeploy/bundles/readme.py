"""README.md of a bundle: what it is, how to run it, what it was tested with. Names from outside are escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.preprocessing import Preprocessing

SHOWN_CLASSES = 20

TEXT = """\
# {name}

{model} made by kdeploy, in a folder that checks itself. It needs Python 3.9 or newer and three packages:

    pip install numpy onnxruntime pillow

Check that it is what was tested, on this machine (0 means yes):

    python verify.py

Ask it (images, or .npy arrays of canonical samples):

    python predict.py FILE...{options}

Both take `--json`. {promise}

## What goes in

{inputs}

`preprocessing.json` says how each becomes an input of `student.onnx`; `predict.py` does it.

## What comes out

{names}: {classes}

## Tested with

{versions}

The golden samples in `golden/` must come out within {atol:.3g} of the {answers} beside them.

## Exit codes

0 done, 2 the command line cannot be read, 3 bad input or no bundle, 4 a file was changed, added or removed, 5 the model
gives other outputs here, 7 a package is missing, 8 the model takes too much time or memory.
"""


class _Words(NamedTuple):
    """What a kind of outputs is called: the model, how it is asked, one output, several, and the golden answers."""

    model: str
    options: str
    one: str
    several: str
    answers: str


_WORDS: dict[OutputsName, _Words] = {
    "classes": _Words("A classifier", " --top 3", "class", "classes", "logits"),
    "labels": _Words("A classifier", "", "label, yes or no", "labels, each yes or no", "logits"),
    "values": _Words("A model of numbers", "", "value, in its own unit", "values, each in its own unit", "values"),
}


def readme(
    name: str,
    *,
    preprocessing: Sequence[Preprocessing],
    class_names: Sequence[str],
    versions: Mapping[str, str],
    atol: float,
    outputs: OutputsName = "classes",
) -> bytes:
    """README.md of a bundle as UTF-8."""
    words = _WORDS[outputs]
    inputs = [f"- {escape(spec.input)}: {spec.kind}, {spec.dtype}, shape {spec.shape}" for spec in preprocessing]
    more = ", ..." if len(class_names) > SHOWN_CLASSES else ""
    tested = [f"- {escape(package)} {escape(version)}" for package, version in sorted(versions.items())]
    text = TEXT.format(
        name=escape(name),
        promise=core.PROMISE,
        model=words.model,
        options=words.options,
        answers=words.answers,
        names=f"{len(class_names)} {words.one if len(class_names) == 1 else words.several}",
        inputs="\n".join(inputs),
        classes=", ".join(escape(label) for label in class_names[:SHOWN_CLASSES]) + more,
        versions="\n".join(tested),
        atol=atol,
    )
    return text.encode()


def escape(text: str) -> str:
    """Text that neither a terminal nor Markdown reads as anything but text."""
    shown = core.printable(text, 100).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|>~])", r"\\\1", shown)
