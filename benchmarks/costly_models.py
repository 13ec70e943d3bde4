"""What `verify` and `export` of models with ordinary photographs for inputs cost: processor time and memory.

    python benchmarks/costly_models.py [vgg16|nsfw] [RUNTIME...]

Weights are random: what is computed is as much. VGG16 on 240 pixels has 17.6 G multiply-adds, with a small head as
teachers of few classes have it; the other, on 224 pixels, 1.9 G. It must be under 3 minutes of processor time
for each runtime, and 2 GiB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
NSFW = (32, 32, 0, 64, 64, 0, 96, 96, 0, 128, 128, 0, 256, 0)
CASES = {"vgg16": (VGG16, 240), "nsfw": (NSFW, 224)}


def written(path: Path, widths: tuple[int, ...], pixels: int, classes: int = 4) -> Path:
    """A chain of 3x3 convolutions with ReLU, halved where the width is 0, its average and a linear layer."""
    draws, nodes, weights, last, channels = np.random.default_rng(0), [], [], "x", 3
    for number, width in enumerate(widths):
        name = f"v{number}"
        if not width:
            nodes.append(helper.make_node("MaxPool", [last], [name], kernel_shape=[2, 2], strides=[2, 2]))
        else:
            kernel = draws.standard_normal((width, channels, 3, 3), np.float32) * np.float32((2 / 9 / channels) ** 0.5)
            weights.append(numpy_helper.from_array(kernel, f"w{number}"))
            nodes.append(helper.make_node("Conv", [last, f"w{number}"], [f"c{number}"], pads=[1, 1, 1, 1]))
            nodes.append(helper.make_node("Relu", [f"c{number}"], [name]))
            channels = width
        last = name
    head = draws.standard_normal((channels, classes), np.float32)
    weights.append(numpy_helper.from_array(head, "head"))
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["average"]),
        helper.make_node("Flatten", ["average"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
    ]
    float32 = onnx.TensorProto.FLOAT
    ports = (("x", ["n", 3, pixels, pixels]), ("logits", ["n", classes]))
    inputs, outputs = ([helper.make_tensor_value_info(name, float32, shape)] for name, shape in ports)
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def measured(words: list[str]) -> None:
    """Run kdeploy, and print what it said and took; of memory, the largest process."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "kdeploy", *words])
    _, status, usage = os.wait4(process.pid, 0)
    spent = usage.ru_utime + usage.ru_stime
    code = os.waitstatus_to_exitcode(status)
    print(
        f"{' '.join(words)}: exit {code}, {spent:.0f} s of the processor, {time.monotonic() - began:.0f} s by clock,"
        f" {usage.ru_maxrss / 2**20:.2f} GiB",
        flush=True,
    )


def main(arguments: list[str]) -> None:
    """Measure the models that are named on the runtimes that are named, or all."""
    names = [name for name in arguments if name in CASES] or [*CASES]
    runtimes = [name for name in arguments if name not in CASES]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = str(written(Path(folder, f"{name}.onnx"), *CASES[name]))
            for runtime in runtimes or ["onnxruntime"]:
                measured(["verify", path, "--runtime", runtime])
            measured(["verify", path])
            measured(["export", path, "--runs", folder])


if __name__ == "__main__":
    main(sys.argv[1:])
