"""README.md of a bundle: what it is, how to run it, what it was tested with. Names from outside are escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kdeploy.bundles.programs import bundle_core as core
from kdeploy.outputs.kind import OutputsName
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

{count} {noun}: {classes}

## Tested with

{versions}

The golden samples in `golden/` must come out within {atol:.3g} of the {answers} beside them.

## Exit codes

0 done, 2 the command line cannot be read, 3 bad input or no bundle, 4 a file was changed, added or removed, 5 the model
gives other outputs here, 7 a package is missing, 8 the model takes too much time or memory.
"""


_WORDS: dict[OutputsName, dict[str, str]] = {
    "classes": {"model": "A classifier", "options": " --top 3", "noun": "classes", "answers": "logits"},
    "labels": {"model": "A classifier", "options": "", "noun": "labels, each yes or no", "answers": "logits"},
    "values": {"model": "A model of numbers", "options": "", "noun": "values, in their own unit", "answers": "values"},
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
    inputs = [f"- {escape(spec.input)}: {spec.kind}, {spec.dtype}, shape {spec.shape}" for spec in preprocessing]
    more = ", ..." if len(class_names) > SHOWN_CLASSES else ""
    tested = [f"- {escape(package)} {escape(version)}" for package, version in sorted(versions.items())]
    text = TEXT.format(
        name=escape(name),
        promise=core.PROMISE,
        **_WORDS[outputs],
        inputs="\n".join(inputs),
        count=len(class_names),
        classes=", ".join(escape(label) for label in class_names[:SHOWN_CLASSES]) + more,
        versions="\n".join(tested),
        atol=atol,
    )
    return text.encode()


def escape(text: str) -> str:
    """Text that neither a terminal nor Markdown reads as anything but text."""
    shown = core.printable(text, 100).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|>~])", r"\\\1", shown)
