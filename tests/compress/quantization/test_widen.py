"""Widening: 4 bits on disk, 8 in the kernels, and the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from compress_onnx.compress.float_form.fold import folded
from compress_onnx.compress.quantization.widen import widened
from compress_onnx.errors import ModelError
from compress_onnx.model.census.census import weights
from compress_onnx.model.files import load_model, model_bytes, save_model
from compress_onnx.runtime.cpu.fusion import fusion_receipt

Images = NDArray[np.float32]
Runner = Callable[[onnx.ModelProto, Images], Images]
INT4, UINT4 = TensorProto.INT4, TensorProto.UINT4


class Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    def __init__(self, images: Images) -> None:
        self._feeds: Iterator[dict[str, Images]] = iter([{"input": images}])

    def get_next(self) -> dict[str, Images] | None:
        return next(self._feeds, None)


@pytest.fixture(scope="module", params=["QInt4", "QUInt4"])
def foreign(
    request: pytest.FixtureRequest, convnet: onnx.ModelProto, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> onnx.ModelProto:
    """Return what ONNX Runtime's own quantizer makes at 4 bits."""
    folder = tmp_path_factory.mktemp("foreign")
    save_model(folded(convnet), folder / "float.onnx")
    quantize_static(
        folder / "float.onnx",
        folder / "int4.onnx",
        Reader(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType[request.param],
    )
    return load_model(folder / "int4.onnx")


def stored(model: onnx.ModelProto) -> dict[str, TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


def test_the_numbers_are_the_same_bit_for_bit(foreign: onnx.ModelProto, images: Images, run: Runner) -> None:
    result = widened(foreign)
    onnx.checker.check_model(result, full_check=True)
    np.testing.assert_array_equal(run(result, images), run(foreign, images))
    reference = [ReferenceEvaluator(model).run(None, {"input": images})[0] for model in (foreign, result)]
    np.testing.assert_array_equal(*reference)


def test_what_is_stored_stays_stored_and_every_reader_sees_eight_bits(foreign: onnx.ModelProto) -> None:
    result = widened(foreign)
    assert [(weight.name, weight.bits) for weight in weights(result)] == [(w.name, 4) for w in weights(foreign)]
    for weight in weights(foreign):
        assert stored(result)[weight.name] == stored(foreign)[weight.name]
    read = {name for node in result.graph.node if node.op_type == "DequantizeLinear" for name in node.input}
    assert not [name for name in read & set(stored(result)) if stored(result)[name].data_type in {INT4, UINT4}]


def test_int4_fuses_into_integer_kernels(
    foreign: onnx.ModelProto, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    save_model(foreign, tmp_path / "plain.onnx")
    save_model(widened(foreign), tmp_path / "wide.onnx")
    assert fusion_receipt(tmp_path / "plain.onnx").int8_fraction == 0.0
    if "QInt4" in request.node.name:
        assert fusion_receipt(tmp_path / "wide.onnx").int8_fraction == 1.0


def test_twice_is_once_and_the_argument_stays(foreign: onnx.ModelProto) -> None:
    before = model_bytes(foreign)
    once = widened(foreign)
    assert model_bytes(foreign) == before
    assert model_bytes(widened(once)) == model_bytes(once)


def test_a_float_model_is_left_alone(convnet: onnx.ModelProto) -> None:
    assert model_bytes(widened(convnet)) == model_bytes(convnet)


def linear(make_model: Callable[..., onnx.ModelProto], kind: int, *, nodes: list[Any], **tensors: Any) -> Any:
    values = np.random.default_rng(0).integers(-8 if kind == INT4 else 0, 8, (5, 192))
    packed = helper.make_tensor("w", kind, [5, 192], values.ravel().tolist())
    flat = helper.make_node("Flatten", ["input"], ["x"])
    return make_model([flat, *nodes], {"w": packed, "s": np.linspace(0.1, 0.5, 5, dtype=np.float32), **tensors})


def dequantized(output: str, *inputs: str) -> onnx.NodeProto:
    return helper.make_node("DequantizeLinear", [*inputs], [output], axis=0)


GEMM = [
    helper.make_node("Gemm", ["x", "d1"], ["a"], transB=1),
    helper.make_node("Gemm", ["x", "d2"], ["b"], transB=1),
    helper.make_node("Add", ["a", "b"], ["logits"]),
]


@pytest.mark.parametrize("kind", [INT4, UINT4])
def test_a_shared_weight_is_cast_once_and_points_are_kept_apart(
    make_model: Callable[..., onnx.ModelProto], images: Images, run: Runner, kind: int
) -> None:
    zero = helper.make_tensor("z", kind, [5], [1, 0, 2, 3, 1])
    nodes = [dequantized("d1", "w", "s", "z"), dequantized("d2", "w", "s"), *GEMM]
    model = linear(make_model, kind, nodes=nodes, z=zero, w_wide=np.zeros(1, np.float32))
    result = widened(model)
    assert [node.op_type for node in result.graph.node].count("Cast") == 1
    np.testing.assert_array_equal(run(result, images), run(model, images))
    assert "z" not in stored(result)


def test_computed_weights_and_points_are_left_alone(
    make_model: Callable[..., onnx.ModelProto], images: Images, run: Runner
) -> None:
    computed = [
        helper.make_node("Identity", ["w"], ["w2"]),
        helper.make_node("Identity", ["z"], ["z2"]),
        dequantized("d1", "w2", "s", "z"),
        dequantized("d2", "w", "s", "z2"),
    ]
    model = linear(make_model, INT4, nodes=[*computed, *GEMM], z=helper.make_tensor("z", INT4, [5], [0] * 5))
    assert model_bytes(widened(model)) == model_bytes(model)


def test_blocks_are_widened_too(make_model: Callable[..., onnx.ModelProto], images: Images, run: Runner) -> None:
    scales = np.random.default_rng(1).uniform(0.1, 1, (5, 6)).astype(np.float32)
    blocked = [
        helper.make_node("DequantizeLinear", ["w", "sb", "zb"], [name], axis=1, block_size=32) for name in ("d1", "d2")
    ]
    model = linear(
        make_model, INT4, nodes=[*blocked, *GEMM], sb=scales, zb=helper.make_tensor("zb", INT4, [5, 6], [1] * 30)
    )
    np.testing.assert_array_equal(run(widened(model), images), run(model, images))


def test_zero_points_are_numbers_of_the_same_value(foreign: onnx.ModelProto) -> None:
    wide = [t for t in widened(foreign).graph.initializer if t.name.endswith("_wide")]
    assert len(wide) == len(weights(foreign))
    for tensor in wide:
        plain = stored(foreign)[tensor.name.removesuffix("_wide")]
        np.testing.assert_array_equal(
            numpy_helper.to_array(tensor).astype(int), numpy_helper.to_array(plain).astype(int)
        )


def test_an_old_opset_is_refused_with_the_remedy(foreign: onnx.ModelProto) -> None:
    old = onnx.ModelProto()
    old.CopyFrom(foreign)
    old.opset_import[0].version = 20
    with pytest.raises(ModelError, match=r"opset 21 or newer to widen.*got opset 20 \(a\.onnx\).*Export"):
        widened(old, where="a.onnx")
