"""Write the golden bundles of this version, which must verify for ever: `python -m tests.bundles.make_golden`.

    golden/<version>/plain.zip      with a format; beside it samples.npy, and answers.json: what predict.py said of them
    golden/<version>/resized.zip    whose preprocessing resizes and normalizes, with a fixed batch

Run once for each version that is released. What is there is never written again.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

import kdeploy
from kdeploy.bundles.write import Golden
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.samples.preprocessing_numpy import apply_numpy
from tests.bundles.conftest import build, pixels, run_program, write_model

GOLDEN = Path(__file__).with_name("golden")
BATCH = 4
RESIZED = Preprocessing(
    input="image",
    kind="image",
    shape=(1, 20, 24),
    dtype="uint8",
    scale=1 / 255,
    size=(28, 28),
    mean=(0.25,),
    std=(0.5,),
)


def resized(folder: Path) -> Path:
    """The zip of a bundle for smaller images than its model reads, in batches of four."""
    model = write_model(folder / "fixed.onnx", batch=BATCH)
    images = np.random.default_rng(7).integers(0, 256, (BATCH, 1, 20, 24), dtype=np.uint8)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"x": apply_numpy(RESIZED, images)})[0]
    golden = Golden({"image": images}, logits, 1e-4)
    record = build(folder, name="resized", model=model, formats={}, preprocessing=[RESIZED], golden=golden)
    return folder / "out" / record.archive


def write(target: Path) -> None:
    """Write the bundles of this version into a folder that is not there yet."""
    target.mkdir(parents=True)
    np.save(target / "samples.npy", pixels())
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        record = build(Path(one))
        shutil.copy(Path(one, "out", record.archive), target / "plain.zip")
        (target / "answers.json").write_text(json.dumps(answers(Path(one, "out", "bundle"), target), indent=1) + "\n")
        shutil.copy(resized(Path(other)), target / "resized.zip")


def answers(bundle: Path, folder: Path) -> list[dict[str, Any]]:
    """The most probable class of each sample of a version, as predict.py of a bundle says it."""
    done = run_program(bundle, "predict.py", "--json", folder / "samples.npy")
    return [result["top"][0] for result in json.loads(done.stdout)["results"]]


def main() -> int:
    target = GOLDEN / kdeploy.__version__
    if target.exists():
        sys.stderr.write(f"{target} is there: a golden bundle is never written again.\n")
        return 1
    write(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
