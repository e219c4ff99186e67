"""Who reads a layer's channels: what constants and factors pass through is told by running the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from compress_onnx.compress.layers.readers import Graph, Readers
from compress_onnx.ort.tensors import tensor_runner

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(8)
WIDTH = 4


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], output, **attributes)


TENSORS: dict[str, Any] = {
    "w": RNG.normal(size=(WIDTH, 3, 3, 3)).astype(np.float32),
    "b": np.full(WIDTH, 9, np.float32),
    "k": RNG.normal(size=(5, WIDTH, 3, 3)).astype(np.float32),
    "kg": RNG.normal(size=(WIDTH, 2, 3, 3)).astype(np.float32),
    "m": RNG.normal(size=(WIDTH, 5)).astype(np.float32),
    "mt": RNG.normal(size=(5, WIDTH)).astype(np.float32),
    "wide": RNG.normal(size=(WIDTH * 64, 5)).astype(np.float32),
    "bias": RNG.normal(size=5).astype(np.float32),
    "flat_shape": np.array([-1, WIDTH * 64]),
    "row_shape": np.array([-1, WIDTH, 64]),
    "space": np.array([2, 3]),
    "behind": np.array([-1, -2]),
    "one": np.array([3]),
}


def built(make_model: MakeModel, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Return a model whose convolution of large biases, always positive, is read by the nodes; the last gives logits."""
    body = [node("Conv", "input w b", "c", pads=[1] * 4), *nodes]
    used = {name for each in body for name in each.input}
    return make_model(body, {name: values for name, values in TENSORS.items() if name in used})


def readers(model: onnx.ModelProto) -> Readers | None:
    return Graph(model).readers("c", WIDTH)


POOLED = (node("GlobalAveragePool", "c", "p"), node("Flatten", "p", "f"))
THROUGH: dict[str, tuple[onnx.NodeProto, ...]] = {
    "fully connected": (*POOLED, node("Gemm", "f m bias", "logits")),
    "turned": (*POOLED, node("Gemm", "f mt", "logits", transB=1)),
    "product": (*POOLED, node("MatMul", "f m", "logits")),
    "flattened": (node("Flatten", "c", "f"), node("MatMul", "f wide", "logits")),
    "reshaped": (node("Reshape", "c flat_shape", "f"), node("MatMul", "f wide", "logits")),
    "mean": (node("ReduceMean", "c behind", "f", keepdims=0), node("MatMul", "f m", "logits")),
    "squeezed": (
        node("GlobalMaxPool", "c", "p"),
        node("Squeeze", "p space", "f"),
        node("MatMul", "f m", "logits"),
    ),
    "pools": (
        node("MaxPool", "c", "x", kernel_shape=[3, 3], pads=[1] * 4),
        node("AveragePool", "x", "a", kernel_shape=[3, 3], pads=[1] * 4),
        node("GlobalAveragePool", "a", "p"),
        node("Flatten", "p", "f"),
        node("MatMul", "f m", "logits"),
    ),
    "convolved": (
        node("Identity", "c", "i"),
        node("Conv", "i k", "d"),
        node("GlobalAveragePool", "d", "p"),
        node("Flatten", "p", "logits"),
    ),
    "rectified": (node("Relu", "c", "r"), node("Flatten", "r", "f"), node("MatMul", "f wide", "logits")),
    "leaky": (node("LeakyRelu", "c", "r"), node("Flatten", "r", "f"), node("MatMul", "f wide", "logits")),
}


@pytest.mark.parametrize("name", THROUGH)
def test_a_constant_and_a_factor_of_each_channel_reach_the_reader_as_they_are(
    make_model: MakeModel, images: NDArray[np.float32], name: str
) -> None:
    model = built(make_model, *THROUGH[name])
    found = readers(model)
    assert found is not None
    assert found.activated == (name in {"rectified", "leaky"})
    (reader,) = found.layers
    assert any(reader.node is each for each in model.graph.node), "the model's own node"
    taken = reader.node.input[0]
    # The same graph with other filters: every channel times a factor, plus a constant.
    factors, constants = np.float32([1, 2, 0.5, 3]), np.float32([0, 5, 9, 1])
    other = onnx.ModelProto()
    other.CopyFrom(model)
    for tensor in other.graph.initializer:
        if tensor.name == "w":
            tensor.CopyFrom(onnx.numpy_helper.from_array(TENSORS["w"] * factors.reshape(-1, 1, 1, 1), "w"))
        if tensor.name == "b":
            tensor.CopyFrom(onnx.numpy_helper.from_array(TENSORS["b"] * factors + constants, "b"))
    small = images * np.float32(0.05)
    before, after = (seen(each, taken, small) for each in (model, other))
    shape = (len(images), WIDTH, -1)
    expected = before.reshape(shape) * factors[:, None] + constants[:, None]
    np.testing.assert_allclose(after.reshape(shape), expected, rtol=1e-4, atol=1e-4)
    # The axis is that of the inputs, channel by channel.
    weight = TENSORS[reader.node.input[1]]
    assert weight.shape[reader.axis] == (WIDTH if reader.node.op_type == "Conv" else before[0].size)
    assert weight.shape[reader.axis] % WIDTH == 0


def seen(model: onnx.ModelProto, name: str, images: NDArray[np.float32]) -> NDArray[np.float32]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return tensor_runner(copy, [name])(images)[0]


MEAN = (node("GlobalAveragePool", "x", "p"), node("Flatten", "p", "f"), node("MatMul", "f m", "logits"))
ENDS = (node("GlobalAveragePool", "d", "p"), node("Flatten", "p", "logits"))
NOT_THROUGH: dict[str, tuple[onnx.NodeProto, ...]] = {
    "a curve": (node("Sigmoid", "c", "x"), *MEAN),
    "channels that meet": (node("Softmax", "c", "x", axis=1), *MEAN),
    "a sum": (node("Add", "c c", "x"), *MEAN),
    "zeros around the image": (node("Conv", "c k", "d", pads=[1] * 4), *ENDS),
    "zeros of an automatic padding": (node("Conv", "c k", "d", auto_pad="SAME_UPPER"), *ENDS),
    "zeros in a mean": (
        node("AveragePool", "c", "x", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
        *MEAN,
    ),
    "groups": (node("Conv", "c kg", "x", group=2), *MEAN),
    "a mean over channels": (
        node("ReduceMean", "c one", "narrow"),
        node("Flatten", "narrow", "r"),
        node("Slice", "r s0 s5 s1", "logits"),
    ),
    "channels as a product's columns": (node("MatMul", "c square", "x"), *MEAN),
    "three axes": (node("Reshape", "c row_shape", "x"), node("MatMul", "x tall", "y"), node("Flatten", "y", "logits")),
}
MORE = {
    "square": np.eye(8, dtype=np.float32),
    "tall": np.ones((64, 1), np.float32),
    **{f"s{number}": np.array([number]) for number in (0, 1, 5)},
}


@pytest.mark.parametrize("name", NOT_THROUGH)
def test_what_keeps_no_constant_or_mixes_channels_has_no_readers(make_model: MakeModel, name: str) -> None:
    body = [node("Conv", "input w b", "c", pads=[1] * 4), *NOT_THROUGH[name]]
    used = {each for part in body for each in part.input}
    model = make_model(body, {key: value for key, value in (TENSORS | MORE).items() if key in used})
    assert readers(model) is None


def test_a_pool_that_is_not_padded_may_count_its_pads(make_model: MakeModel) -> None:
    pool = node("AveragePool", "c", "x", kernel_shape=[3, 3], count_include_pad=1)
    assert readers(built(make_model, pool, *MEAN)) is not None


def test_all_readers_are_found_and_one_that_is_none_spoils_all(make_model: MakeModel) -> None:
    both = (
        node("Relu", "c", "r"),
        node("GlobalAveragePool", "r", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f m bias", "left"),
        node("Conv", "c k", "d"),
        node("GlobalAveragePool", "d", "q"),
        node("Flatten", "q", "right"),
        node("Add", "left right", "logits"),
    )
    found = readers(built(make_model, *both))
    assert found is not None
    assert sorted(reader.node.output[0] for reader in found.layers) == ["d", "left"]
    assert found.activated, "on one path"
    spoiled = (*both[:-1], node("Sigmoid", "c", "s"), node("ReduceMean", "s", "t"))
    last = (node("Add", "left right", "both"), node("Squeeze", "t", "u"), node("Add", "both u", "logits"))
    assert readers(built(make_model, *spoiled, *last)) is None


def test_a_model_output_and_a_tensor_that_nobody_reads_have_no_readers(make_model: MakeModel) -> None:
    model = built(make_model, *THROUGH["product"])
    assert Graph(model).readers("logits", 5) is None
    assert Graph(model).readers("nothing", WIDTH) is None
    model.graph.output.append(helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, None))
    assert readers(model) is None


def test_a_weight_that_is_shared_or_made_of_another_size_takes_no_channels(make_model: MakeModel) -> None:
    shared = (
        *POOLED,
        node("MatMul", "f m", "left"),
        node("Neg", "f", "n"),
        node("MatMul", "n m", "right"),
        node("Sub", "left right", "logits"),
    )
    assert readers(built(make_model, *shared)) is None
    model = built(make_model, *THROUGH["convolved"])
    assert Graph(model).readers("c", WIDTH) is not None
    assert Graph(model).readers("c", WIDTH + 1) is None
