"""Faint channels are brought to the strength of the others, and the function stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.layers.faint_channels import strengthened
from compress_onnx.model.files import model_bytes
from compress_onnx.ort.tensors import tensor_runner

MakeModel = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]
Arrays = dict[str, Any]
FAINT = [1, 6]


def network(
    make_model: MakeModel,
    *,
    faint: float = 1e-3,
    bias: float = 0.8,
    loud: float = 1e3,
    reader: str = "Gemm",
    activation: str = "Relu",
) -> onnx.ModelProto:
    """Return a network in which two of eight channels are faint, and read ``loud`` times as loudly."""
    rng = np.random.default_rng(2)
    scale = np.ones(8, np.float32)
    scale[FAINT] = faint
    loudness = np.ones(8, np.float32)
    loudness[FAINT] = loud
    tensors: Arrays = {
        "w": (rng.normal(size=(8, 3, 3, 3)) * 0.2).astype(np.float32) * scale[:, None, None, None],
        "b": rng.normal(0, 0.1, 8).astype(np.float32),
        "m": (rng.normal(size=(8, 5)) * loudness[:, None]).astype(np.float32),
    }
    tensors["b"][FAINT] = bias
    body = [helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", pads=[1] * 4)]
    last = "c"
    if activation:
        body.append(helper.make_node(activation, ["c"], ["r"], "activation"))
        last = "r"
    if reader == "Conv":
        tensors["k"] = (rng.normal(size=(5, 8, 3, 3)) * loudness[None, :, None, None]).astype(np.float32)
        del tensors["m"]
        body.append(helper.make_node("Conv", [last, "k"], ["d"], "second"))
        body.append(helper.make_node("GlobalAveragePool", ["d"], ["p"], "pool"))
        body.append(helper.make_node("Flatten", ["p"], ["logits"], "flatten"))
        return make_model(body, tensors)
    body.append(helper.make_node("GlobalAveragePool", [last], ["p"], "pool"))
    body.append(helper.make_node("Flatten", ["p"], ["f"], "flatten"))
    body.append(helper.make_node(reader, ["f", "m"], ["logits"], "fc"))
    return make_model(body, tensors)


def arrays(model: onnx.ModelProto) -> Arrays:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def channel_values(model: onnx.ModelProto, name: str, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what each channel of a tensor holds, (C, ...)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return np.moveaxis(tensor_runner(copy, [name])(images)[0], 1, 0).reshape(8, -1)


def unread() -> Iterator[NDArray[np.float32]]:
    yield pytest.fail("a batch was read")


@pytest.mark.parametrize("reader", ["Gemm", "MatMul", "Conv"])
@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", ""])
def test_faint_channels_reach_as_far_as_the_others_and_the_function_stays(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32], reader: str, activation: str
) -> None:
    model = network(make_model, reader=reader, activation=activation)
    before = model_bytes(model)
    found = strengthened(model, [images[:5], images[5:]])
    onnx.checker.check_model(found.model, full_check=True)
    assert model_bytes(model) == before
    expected = run(model, images)
    np.testing.assert_allclose(run(found.model, images), expected, atol=1e-4 * np.abs(expected).max())
    tensor = "r" if activation else "c"
    weak, strong = (np.ptp(channel_values(each, tensor, images), axis=1) for each in (model, found.model))
    others = np.delete(np.arange(8), FAINT)
    assert (weak[FAINT] < 0.02 * weak[others].min()).all()
    assert (strong[FAINT] > 0.5 * np.median(strong[others])).all()
    assert (strong[FAINT] <= strong[others].max() * 1.01).all()
    np.testing.assert_allclose(strong[others], weak[others], rtol=1e-5)


def test_only_what_reads_faint_channels_is_weakened_and_called_delicate(
    make_model: MakeModel, images: NDArray[np.float32]
) -> None:
    model = network(make_model)
    found = strengthened(model, [images])
    assert found.delicate == {"m"}
    old, new = arrays(model), arrays(found.model)
    others = np.delete(np.arange(8), FAINT)
    for name in ("w", "b", "m"):
        np.testing.assert_array_equal(new[name][others], old[name][others])
    # The channels' factors make up for each other, and rows are now of one size.
    factors = new["w"][FAINT] / old["w"][FAINT]
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1, :1], factors.shape), rtol=1e-5)
    np.testing.assert_allclose(new["m"][FAINT] * factors[:, 0, 0, :1], old["m"][FAINT], rtol=1e-5)
    assert (factors > 100).all()


def test_a_product_without_a_bias_gets_the_constants_as_one(make_model: MakeModel, images: NDArray[np.float32]) -> None:
    found = strengthened(network(make_model, reader="MatMul"), [images]).model
    node = next(node for node in found.graph.node if node.name == "fc")
    assert node.op_type == "Gemm"
    assert np.abs(arrays(found)[node.input[2]]).min() > 0


@pytest.mark.parametrize("faint", [0.0, 1e-30])
def test_a_filter_that_gives_only_its_bias_is_a_constant_of_its_readers(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32], faint: float
) -> None:
    model = network(make_model, faint=faint)
    found = strengthened(model, [images])
    expected = run(model, images)
    np.testing.assert_allclose(run(found.model, images), expected, atol=1e-4 * np.abs(expected).max())
    if faint == 0:
        assert not arrays(found.model)["m"][FAINT].any()


@pytest.mark.parametrize("usual", [{"faint": 1.0}, {"loud": 1.0}, {"bias": 0.0}, {"activation": "Sigmoid"}], ids=str)
def test_a_model_without_faint_channels_that_are_read_loudly_is_itself_and_no_image_is_read(
    make_model: MakeModel, usual: dict[str, Any]
) -> None:
    model = network(make_model, **usual)
    found = strengthened(model, unread())
    assert found.model is model
    assert found.delicate == frozenset()


def test_a_weight_that_two_layers_share_is_left_alone(make_model: MakeModel) -> None:
    model = network(make_model)
    again = helper.make_node("Conv", ["input", "w", "b"], ["c2"], "again", pads=[1] * 4)
    model.graph.node.insert(1, again)
    assert strengthened(model, unread()).model is model


def test_a_channel_that_is_always_rectified_away_keeps_its_weights(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32]
) -> None:
    """Nothing of it reaches a reader, and no constant can be taken out of zeros."""
    model = network(make_model, bias=-0.8)
    found = strengthened(model, [images])
    old, new = arrays(model), arrays(found.model)
    np.testing.assert_array_equal(new["w"], old["w"])
    np.testing.assert_array_equal(new["m"], old["m"])
    np.testing.assert_array_equal(run(found.model, images), run(model, images))
