"""What no output needs is left out, and what a body of a node reads is needed."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from kdeploy.runtimes.live_nodes import leave_out_dead

BOOL = TensorProto.BOOL


def graph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    """With the output y."""
    return helper.make_graph(nodes, "g", [], [helper.make_tensor_value_info("y", BOOL, [])])


def test_a_chain_that_leads_nowhere_is_left_out():
    used = [helper.make_node("Not", ["x"], ["a"]), helper.make_node("Not", ["a"], ["y"])]
    dead = [helper.make_node("Strange", ["a"], ["b"], domain="my.own"), helper.make_node("Not", ["b"], ["c"])]
    found = graph(used[0], dead[0], used[1], dead[1])
    assert leave_out_dead(found) == 2
    assert list(found.node) == used
    assert leave_out_dead(found) == 0


def test_what_a_body_reads_is_needed():
    inner = helper.make_graph(
        [helper.make_node("Not", ["a"], ["z"])], "body", [], [helper.make_tensor_value_info("z", BOOL, [])]
    )
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    found = graph(helper.make_node("Not", ["x"], ["a"]), branch)
    assert leave_out_dead(found) == 0
