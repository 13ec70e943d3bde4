"""What to do about operators of other domains than ONNX's own; most are those of classical models, `ai.onnx.ml`.

skl2onnx and onnxmltools write a network or a linear model in ONNX's own operators too, if they are told to.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx

CLASSICAL = "ai.onnx.ml"
NOT_READ = {"Tree": "Trees", "SVM": "Support vector machines"}  # by how the names of their operators begin
NAMES_CLASSES = frozenset(["ArrayFeatureExtractor", "LabelEncoder", "ZipMap"])
PROBABILITIES = "Convert it with the option `zipmap=False` and keep the probabilities as the only output"


def advice_on_domains(nodes: Iterable[onnx.NodeProto]) -> str:
    """What to do about all nodes of other domains that a model needs."""
    operators = {node.op_type for node in nodes if node.domain == CLASSICAL}
    for beginning, kind in NOT_READ.items():
        if any(operator.startswith(beginning) for operator in operators):
            return f"{kind} are not read yet: of classical models, linear ones and networks are."
    others = sorted(operators - NAMES_CLASSES)
    if others:
        names = ", ".join(f"'{name}'" for name in others)
        return f"{PROBABILITIES}, with standard operators: `black_op={{{names}}}` of skl2onnx."
    if operators:
        return f"{PROBABILITIES}: what names classes is left out then."
    return "Operators of other domains run in one runtime only: export it with standard ones."
