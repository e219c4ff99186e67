"""What is said of operators is what ONNX's own schemas and its reference implementation say of them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.constants import kinds
from compress_onnx.model.constants.kinds import coefficients, is_foreign, is_integer, is_quantizing, is_random, slots

SCHEMAS = {schema.name: schema for schema in onnx.defs.get_all_schemas() if not schema.domain}
WEIGHTED = sorted(op for op in SCHEMAS if slots(NodeProto(op_type=op)))
DATA = np.random.default_rng(2).permutation(48).reshape(1, 4, 3, 4).astype(np.float32)
ARGUMENTS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "DepthToSpace": ([], {"blocksize": 2}),
    "SpaceToDepth": ([], {"blocksize": 1}),
    "Reshape": ([np.array([6, 8])], {}),
    "Squeeze": ([np.array([0])], {}),
    "Unsqueeze": ([np.array([1])], {}),
    "Transpose": ([], {"perm": [2, 3, 0, 1]}),
    "Concat": ([DATA], {"axis": 1}),
    "Expand": ([np.array([2, 4, 3, 4])], {}),
    "Gather": ([np.array([2, 0])], {"axis": 2}),
    "GatherElements": ([np.zeros((1, 1, 3, 4), np.int64)], {"axis": 1}),
    "GatherND": ([np.array([[0, 1]])], {}),
    "Slice": ([np.array([1]), np.array([3]), np.array([1])], {}),
    "Split": ([], {"axis": 1, "num_outputs": 2}),
    "Tile": ([np.array([1, 2, 1, 1])], {}),
}


def moved(op: str) -> list[Any]:
    """Return what an operator makes of 48 different numbers."""
    rest, attributes = ARGUMENTS.get(op, ([], {}))
    names = [f"x{place}" for place in range(1 + len(rest))]
    outputs = ["y", "z"] if op == "Split" else ["y"]
    node = helper.make_node(op, names, outputs, **attributes)
    feed = dict(zip(names, [DATA, *rest], strict=True))
    return list(ReferenceEvaluator(node, opsets={"": 21}).run(None, feed))


@pytest.mark.parametrize("op", sorted(kinds.REORDERS))
def test_what_reorders_keeps_every_value_once(op: str) -> None:
    (found,) = moved(op)
    np.testing.assert_array_equal(np.sort(found, axis=None), np.arange(48))


@pytest.mark.parametrize("op", sorted(kinds.SELECTIONS))
def test_what_selects_makes_no_new_values(op: str) -> None:
    found = np.concatenate([one.ravel() for one in moved(op)])
    assert np.isin(found, DATA).all()
    assert op == "Split" or sorted(found.tolist()) != list(range(48))


@pytest.mark.parametrize("op", sorted(kinds.ELEMENTWISE | kinds.STEADY | kinds.MOVES | kinds.CODECS))
def test_every_kind_is_of_operators_that_there_are(op: str) -> None:
    assert op in SCHEMAS


def test_random_are_the_operators_that_onnx_calls_so() -> None:
    """Dropout is random in training only; of those with a body, and of AffineGrid, which draws nothing, it cannot tell."""
    kind = onnx.defs.OpSchema.NodeDeterminism.NonDeterministic
    said = {op for op, schema in SCHEMAS.items() if schema.node_determinism == kind}
    assert {op for op in SCHEMAS if is_random(NodeProto(op_type=op))} == said - {
        "Dropout",
        "AffineGrid",
        "If",
        "Loop",
        "Scan",
        "SequenceMap",
    }
    assert not is_random(NodeProto(op_type="RandomNormal", domain="own"))


def test_layers_have_slots() -> None:
    assert {"Conv", "ConvTranspose", "Gemm", "MatMul", "GRU", "LSTM", "RNN", "QLinearConv"} <= set(WEIGHTED)
    assert set(WEIGHTED) >= kinds.WEIGHTED_OPS
    assert not {"Add", "Relu", "BatchNormalization", "Gather"} & set(WEIGHTED)


@pytest.mark.parametrize("op", WEIGHTED)
def test_slots_are_the_inputs_that_the_schema_calls_so(op: str) -> None:
    """A weight is W, B, w or the like; its zero point, and that of the other side, have its name before theirs."""
    names = [one.name for one in SCHEMAS[op].inputs]
    for slot in slots(NodeProto(op_type=op)):
        assert slot.weight is not None
        assert slot.activation != slot.weight
        weight = names[slot.weight]
        assert re.fullmatch(r"[abwr]", weight.lower())
        if slot.zero is not None and slot.point is not None:
            assert re.fullmatch(rf"{weight}_?zero_point", names[slot.zero], re.IGNORECASE)
            assert re.fullmatch(rf"{names[slot.activation]}_?zero_point", names[slot.point], re.IGNORECASE)
        assert is_integer(slot) == any("zero_point" in name for name in names)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "com.microsoft", "com.microsoft.nchwc"])
def test_onnxs_layers_are_known_in_the_runtimes_domains_too(domain: str) -> None:
    assert [slot.weight for slot in slots(NodeProto(op_type="Conv", domain=domain))] == [1]


def test_no_slots_are_known_in_other_domains() -> None:
    for op in ("Conv", "MatMul", "Einsum", "MatMulNBits"):
        assert slots(NodeProto(op_type=op, domain="acme")) == ()
    assert slots(NodeProto(op_type="FusedConv")) == ()


def test_einsum_takes_a_weight_anywhere() -> None:
    node = helper.make_node("Einsum", ["a", "b", "c"], ["y"], equation="ij,jk,kl->il")
    assert [(slot.weight, slot.activation) for slot in slots(node)] == [(0, 1), (1, 0), (2, 0)]


def test_linear_models_hold_their_weights_as_an_attribute() -> None:
    schemas = {one.name: one for one in onnx.defs.get_all_schemas() if one.domain == "ai.onnx.ml"}
    found = {op for op in schemas if coefficients(NodeProto(op_type=op, domain="ai.onnx.ml"))}
    assert found == {"LinearClassifier", "LinearRegressor"}
    assert all("coefficients" in schemas[op].attributes for op in found)
    assert coefficients(NodeProto(op_type="LinearRegressor")) == ""


@pytest.mark.parametrize(
    ("op", "domain", "quantizing", "foreign"),
    [
        ("QuantizeLinear", "", True, False),
        ("DequantizeLinear", "com.microsoft", True, False),
        ("QLinearAdd", "com.microsoft", True, True),
        ("MatMulNBits", "com.microsoft", True, True),
        ("FusedConv", "com.microsoft", False, True),
        ("Conv", "", False, False),
        ("Conv", "ai.onnx", False, False),
        ("QLinearConv", "", True, False),
        ("QuantizeLinear", "acme", False, True),
    ],
)
def test_what_quantizes_and_what_is_not_known_here(op: str, domain: str, *, quantizing: bool, foreign: bool) -> None:
    node = NodeProto(op_type=op, domain=domain)
    assert (is_quantizing(node), is_foreign(node)) == (quantizing, foreign)
