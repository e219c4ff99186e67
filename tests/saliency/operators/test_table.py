"""Every operator of the table against ONNX's own conformance cases."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.node import Constant, Node, stored  # noqa: E402
from compress_onnx.saliency.operators.table import CONVERTERS  # noqa: E402

# What ONNX's own conformance cases ask for and an image classifier never does.
ODD = {
    "test_reduce_max_empty_set": "the largest of nothing",
    "test_reduce_max_empty_set_bool": "the largest of nothing",
    "test_reduce_min_empty_set": "the smallest of nothing",
    "test_resize_downsample_sizes_linear_pytorch_half_pixel": "resizing to one pixel, where PyTorch itself differs",
}


# These read even their first input before the model runs.
ALL_CONSTANT = {"ConstantOfShape", "Range"}


@pytest.fixture(scope="module")
def cases() -> Mapping[str, list[Any]]:
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        # The cases for 8-bit floats overflow on purpose while they are made.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = load_node_model_tests()
    by_operator = defaultdict(list)
    for case in found:
        if len(case.model.graph.node) == 1 and case.name not in ODD:
            by_operator[case.model.graph.node[0].op_type].append(case)
    return by_operator


def constant(value: Any) -> Constant | None:
    return stored(value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value)))


def computed(case: Any) -> Any:
    """What the converter's module makes of a case's input; all inputs but the first are constant."""
    proto = case.model.graph.node[0]
    fed = {
        value.name: constant(array) for value, array in zip(case.model.graph.input, case.data_sets[0][0], strict=False)
    }
    values = [fed.get(name) for name in proto.input]
    if any(value is None for name, value in zip(proto.input, values, strict=False) if name):
        raise UnsupportedOperatorError("a type PyTorch has", "another")
    known = [None if slot == 0 and proto.op_type not in ALL_CONSTANT else value for slot, value in enumerate(values)]
    opset = max(entry.version for entry in case.model.opset_import if not entry.domain)
    node = Node(proto, known, opset)
    module = CONVERTERS[proto.op_type](node)
    given = [values[slot] for slot in node.arguments()]
    result = module(*(None if value is None else value.tensor for value in given))
    return (result[0] if isinstance(result, tuple) else result).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(
    cases: Mapping[str, list[Any]], operator: str
) -> None:
    compared = 0
    for case in cases[operator]:
        expected = constant(case.data_sets[0][1][0])
        if expected is None:
            continue
        try:
            got = computed(case)
        except UnsupportedOperatorError:
            continue
        wanted = expected.tensor.numpy()
        assert got.shape == wanted.shape, case.name
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5, err_msg=case.name)
        compared += 1
    assert compared > 0
