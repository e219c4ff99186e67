"""One operator as a PyTorch module beside ONNX's own reference: its conformance cases, and cases of a test's own."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# What ONNX's own conformance cases ask for and an image classifier never does.
ODD = {
    "test_reduce_max_empty_set": "the largest of nothing",
    "test_reduce_max_empty_set_bool": "the largest of nothing",
    "test_reduce_min_empty_set": "the smallest of nothing",
    "test_resize_downsample_sizes_linear_pytorch_half_pixel": "resizing to one pixel, where PyTorch itself differs",
}


# These read even their first input before the model runs.
ALL_CONSTANT = {"ConstantOfShape", "Range"}

Arrays = Mapping[str, NDArray[Any]]
Outputs = list[NDArray[Any]]


@pytest.fixture(scope="session")
def cases() -> Mapping[str, list[Any]]:
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        # The cases for 8-bit floats overflow on purpose while they are made.
        warnings.simplefilter("ignore", RuntimeWarning)
        loaded = load_node_model_tests()
    by_operator = defaultdict(list)
    for case in loaded:
        if len(case.model.graph.node) == 1 and case.name not in ODD:
            by_operator[case.model.graph.node[0].op_type].append(case)
    return by_operator


def constant(value: Any) -> Any:
    from compress_onnx.saliency.operators.node import stored

    return stored(value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value)))


def computed(case: Any) -> Any:
    """What the converter's module makes of a case's input; all inputs but the first are constant."""
    from compress_onnx.errors import UnsupportedOperatorError
    from compress_onnx.saliency.operators.node import Node
    from compress_onnx.saliency.operators.table import CONVERTERS

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


@pytest.fixture(scope="session")
def conforms(cases: Mapping[str, list[Any]]) -> Callable[[str], None]:
    """Hold an operator against ONNX's own conformance cases: it passes at least one and refuses the others it fails."""
    from compress_onnx.errors import UnsupportedOperatorError

    def check(operator: str) -> None:
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

    return check


def _module_outputs(node: onnx.NodeProto, arrays: Arrays, opset: int, running: int) -> Outputs:
    from compress_onnx.saliency.operators.node import Node
    from compress_onnx.saliency.operators.table import CONVERTERS

    values = [constant(arrays[name]) if name else None for name in node.input]
    seen = Node(node, [None if slot < running else value for slot, value in enumerate(values)], opset)
    name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
    module = CONVERTERS[name](seen)
    given = [values[slot] for slot in seen.arguments()]
    result = module(*(None if value is None else value.tensor for value in given))
    return [part.numpy() for part in (result if isinstance(result, tuple) else (result,))]


def _reference_outputs(node: onnx.NodeProto, arrays: Arrays, opset: int) -> Outputs:
    elements = {name: helper.np_dtype_to_tensor_dtype(values.dtype) for name, values in arrays.items()}
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, elements[name], values.shape) for name, values in arrays.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    return [np.asarray(part) for part in ReferenceEvaluator(model).run(None, dict(arrays))]


@pytest.fixture(scope="session")
def like_reference() -> Callable[..., None]:
    """Hold one node on the given arrays against ONNX's reference: values, shapes and types of all outputs.

    The first ``running`` inputs are computed while the module runs, the others known beforehand.
    """

    def check(node: onnx.NodeProto, arrays: Arrays, *, opset: int = 21, running: int = 1, atol: float = 1e-5) -> None:
        wanted = _reference_outputs(node, arrays, opset)
        got = _module_outputs(node, arrays, opset, running)
        assert len(got) == len(wanted) == len(node.output)
        for ours, theirs in zip(got, wanted, strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol)

    return check


@pytest.fixture(scope="session")
def module_of() -> Callable[..., Any]:
    """Convert one node: ``known`` are the inputs known beforehand, the others are computed."""
    from compress_onnx.saliency.operators.node import Node
    from compress_onnx.saliency.operators.table import CONVERTERS

    def convert(node: onnx.NodeProto, known: Arrays | None = None, *, opset: int = 21) -> Any:
        operands = [constant(known[name]) if known and name in known else None for name in node.input]
        name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        return CONVERTERS[name](Node(node, operands, opset))

    return convert
