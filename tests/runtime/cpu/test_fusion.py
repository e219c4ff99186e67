from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.records.artifacts import FusionReceipt
from compress_onnx.runtime.cpu import fusion
from compress_onnx.runtime.cpu.fusion import fusion_receipt, receipt_of

on_x86 = pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="tells what x86-64 kernels do")


def reasons(receipt: FusionReceipt) -> dict[str, str]:
    return {node.name: node.reason for node in receipt.float_nodes}


def test_fp32_has_no_integer_kernel(fp32: Path) -> None:
    receipt = fusion_receipt(fp32)
    assert receipt.int8_fraction == 0.0
    assert receipt.quantized_nodes == receipt.stray_qdq == 0
    assert len(receipt.float_nodes) == 3
    assert set(reasons(receipt).values()) == {fusion.NO_INPUT_QDQ}


def test_u8s8_fuses_whole(u8s8: Path) -> None:
    receipt = fusion_receipt(u8s8)
    assert receipt.int8_fraction == 1.0
    assert receipt.float_nodes == ()
    assert receipt.stray_qdq == 0
    assert receipt.quantized_nodes == 4  # two convolutions, the addition and the classifier


@on_x86
def test_s8_activations_keep_convolutions_float_on_x86(quantized: Callable[..., Path]) -> None:
    receipt = fusion_receipt(quantized("QInt8", "QInt8"))
    assert receipt.int8_fraction < 1.0
    assert set(reasons(receipt).values()) == {fusion.S8_ACTIVATIONS}
    assert {"conv1", "conv2"} <= set(reasons(receipt))
    assert receipt.stray_qdq > 0


def test_four_bit_weights_are_dequantized_at_every_call(quantized: Callable[..., Path]) -> None:
    receipt = fusion_receipt(quantized("QUInt8", "QInt4"))
    assert reasons(receipt) == dict.fromkeys(["conv1", "conv2", "fc"], fusion.FOUR_BIT_WEIGHT)
    assert receipt.int8_fraction == 0.0


@pytest.mark.parametrize(
    ("excluded", "reason"),
    [
        (["conv1"], fusion.NO_INPUT_QDQ),
        (["conv2", "add"], fusion.NO_WEIGHT_QDQ),
        (["fc"], fusion.NO_WEIGHT_QDQ),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_layer_left_out_is_listed_with_what_it_lacks(
    quantized: Callable[..., Path], excluded: list[str], reason: str
) -> None:
    receipt = fusion_receipt(quantized("QUInt8", "QInt8", nodes_to_exclude=excluded))
    assert receipt.int8_fraction == pytest.approx(2 / 3)
    assert [node.reason for node in receipt.float_nodes if node.op != "Add"] == [reason]
    assert receipt.stray_qdq > 0


def test_nothing_is_printed_and_the_file_is_untouched(u8s8: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before, beside = u8s8.read_bytes(), sorted(u8s8.parent.iterdir())
    fusion_receipt(u8s8)
    assert capfd.readouterr() == ("", "")
    assert u8s8.read_bytes() == before
    assert sorted(u8s8.parent.iterdir()) == beside


def test_missing_file_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="got no file"):
        fusion_receipt(tmp_path / "absent.onnx")


def graph(*nodes: onnx.NodeProto, **constants: object) -> onnx.GraphProto:
    return helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )


def node(op: str, inputs: str, output: str) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=output)


def one_layer(*, zero: object, weight: str = "dw", output: str = "quantized") -> onnx.GraphProto:
    """Q, DQ, Conv, Q, DQ as a runtime would leave it that could not fuse."""
    tail = {
        "quantized": [node("QuantizeLinear", "c s z", "qc"), node("DequantizeLinear", "qc s z", "y")],
        "float": [node("Sigmoid", "c", "y")],
    }
    return graph(
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w s wz", "dw"),
        node("Conv", f"d {weight}", "c"),
        *tail[output],
        s=np.float32(1),
        z=zero,
        w=np.ones((2, 3, 1, 1), np.int8),
        wz=np.int8(0),
        wf=np.ones((2, 3, 1, 1), np.float32),
    )


@pytest.mark.parametrize(
    ("layer", "machine", "reason"),
    [
        (one_layer(zero=np.int8(0)), "x86_64", fusion.S8_ACTIVATIONS),
        (one_layer(zero=np.int8(0)), "aarch64", fusion.UNSUPPORTED),
        (one_layer(zero=np.uint8(0)), "x86_64", fusion.UNSUPPORTED),
        (one_layer(zero=np.uint8(0), weight="wf"), "x86_64", fusion.NO_WEIGHT_QDQ),
        (one_layer(zero=np.uint8(0), output="float"), "x86_64", fusion.NO_OUTPUT_QDQ),
    ],
)
def test_reason_is_the_first_cause_to_remove(layer: onnx.GraphProto, machine: str, reason: str) -> None:
    assert reasons(receipt_of(layer, machine=machine)) == {"c": reason}


def test_qdq_at_the_graphs_ends_is_not_stray() -> None:
    fused = graph(
        node("QuantizeLinear", "x s z", "q"),
        node("Transpose", "q", "t"),
        node("QLinearConv", "t s z w s z s z", "c"),
        node("Flatten", "c", "f"),
        node("DequantizeLinear", "f s z", "y"),
        s=np.float32(1),
        z=np.uint8(0),
        w=np.ones((2, 3, 1, 1), np.uint8),
    )
    receipt = receipt_of(fused, machine="x86_64")
    assert (receipt.stray_qdq, receipt.int8_fraction, receipt.quantized_nodes) == (0, 1.0, 1)


def test_operator_between_dq_and_q_is_listed() -> None:
    unfused = graph(
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Erf", "d", "e"),
        node("QuantizeLinear", "e s z", "qe"),
        node("DequantizeLinear", "qe s z", "y"),
        s=np.float32(1),
        z=np.uint8(0),
    )
    receipt = receipt_of(unfused, machine="x86_64")
    assert reasons(receipt) == {"e": fusion.UNSUPPORTED}
    assert receipt.stray_qdq == 2
    assert receipt.int8_fraction == 0.0


@given(integer=st.integers(0, 5), floating=st.integers(0, 5))
def test_fraction_is_the_integer_share(integer: int, floating: int) -> None:
    nodes = [node("QGemm", "x", f"i{i}") for i in range(integer)] + [
        node("Gemm", "x", f"f{i}") for i in range(floating)
    ]
    found = receipt_of(graph(*nodes), machine="x86_64").int8_fraction
    assert found == (integer / (integer + floating) if integer + floating else 0.0)
