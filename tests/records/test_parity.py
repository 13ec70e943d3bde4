from __future__ import annotations

import json

from kdeploy.records.parity import NodeDifference, VerifyRecord

OLD = {
    "schema": "kdeploy.verify/2.1",
    "rows": [
        {
            "model": "student",
            "runtime": "onnxruntime",
            "inputs": 150,
            "batches": [1, 2, 3, 7, 32],
            "max_abs_error": 1e-6,
            "float32_error": 1e-6,
            "scale": 10.0,
            "budget": 1.8e-5,
            "agreement": 1.0,
            "flips": 0,
            "worst_input": 3,
            "passed": True,
        }
    ],
    "versions": {"onnxruntime": "1.32.0"},
}


def test_a_record_from_before_made_inputs_is_read():
    found = VerifyRecord.from_json(json.dumps(OLD), where="old")
    [row] = found.rows
    assert found.passed
    assert (row.against, row.families, row.fault, row.first_node) == ("the trained network", (), None, None)
    assert row.propagates_nan is None


def test_a_node_is_named_as_a_message_has_it():
    node = NodeDifference(name="/2/Gemm", operator="Gemm", output="logits", error=1.0, budget=0.1)
    assert node.words == "node '/2/Gemm' (Gemm)"
    assert node.model_copy(update={"name": ""}).words == "node 'logits' (Gemm)"
    assert node.model_copy(update={"name": "model.xml", "operator": ""}).words == "the converted file 'model.xml'"
