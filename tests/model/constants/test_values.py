"""Constants computed here are those of ONNX's own reference implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.constants.values import UnknownValueError, applied, integer_range

RNG = np.random.default_rng(3)
DATA = RNG.normal(size=(2, 3, 4)).astype(np.float32)
CASES: dict[str, tuple[list[NDArray[Any]], dict[str, Any]]] = {
    "Transpose": ([DATA], {"perm": [2, 0, 1]}),
    "Reshape": ([DATA, np.array([0, -1])], {}),
    "Flatten": ([DATA], {"axis": 2}),
    "Unsqueeze": ([DATA, np.array([0, -1])], {}),
    "Squeeze": ([DATA[:1], np.array([0])], {}),
    "Concat": ([DATA, DATA * 2], {"axis": 1}),
    "Identity": ([DATA], {}),
    "OneHot": ([np.array([0, 2, -1, 5]), np.array(4), np.array([0.5, 2], np.float32)], {"axis": -1}),
    "DequantizeLinear": (
        [RNG.integers(-100, 100, (2, 3, 4)).astype(np.int8), np.array([0.5, 2, 3], np.float32), np.zeros(3, np.int8)],
        {"axis": 1},
    ),
    "QuantizeLinear": ([DATA, np.float32(0.01), np.uint8(7)], {}),
}


@pytest.mark.parametrize("op", CASES)
def test_own_operators_are_the_references(op: str) -> None:
    arrays, attributes = CASES[op]
    names = [f"x{place}" for place in range(len(arrays))]
    node = helper.make_node(op, names, ["y"], **attributes)
    (expected,) = ReferenceEvaluator(node, opsets={"": 21}).run(None, dict(zip(names, arrays, strict=True)))
    (found,) = applied(node, arrays, opset=21)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_what_cannot_be_computed_is_unknown() -> None:
    with pytest.raises(UnknownValueError):
        applied(helper.make_node("NoSuchOperator", ["x"], ["y"]), [DATA], opset=21)
    with pytest.raises(UnknownValueError):
        applied(helper.make_node("Reshape", ["x", "shape"], ["y"]), [DATA, np.array([5, 5])], opset=21)


@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32"])
def test_ranges_are_numpys(name: str) -> None:
    limits = np.iinfo(name)
    assert integer_range(np.dtype(name)) == (limits.min, limits.max)
