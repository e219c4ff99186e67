"""Integer-only operators (the QOperator form) written out as dequantize, compute, quantize.

``QLinearConv`` and its relatives compute on integers what the float operator computes on the
dequantized values, rounded to the output's scale. Written out they are the QDQ form, which the
twin knows. Operators that keep bare integers (``ConvInteger``) have no such form and are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import Any

import onnx
from onnx import helper

from compress_onnx.saliency.operators.node import unknown_operator

_OWN = {"", "ai.onnx"}
# Attributes that only ONNX Runtime's integer kernels read.
_INTERNAL = {"channels_last", "opset"}


def written_out(proto: onnx.NodeProto) -> Sequence[onnx.NodeProto]:
    """Return the nodes that compute the same in floating point, or the node itself where it is no such operator.

    >>> node = helper.make_node("QLinearSigmoid", ["x", "s", "z", "t", "u"], ["y"], domain="com.microsoft")
    >>> [part.op_type for part in written_out(node)]
    ['DequantizeLinear', 'Sigmoid', 'QuantizeLinear']

    Errors
    ------
    UnsupportedOperatorError
        for images with channels last, and a Softmax as it was before opset 13.
    """
    write = _FORMS.get((proto.domain if proto.domain not in _OWN else "", proto.op_type))
    if write is None:
        return (proto,)
    form = _Form(proto)
    if form.attributes.get("channels_last") or form.attributes.get("opset", 13) < 13:
        raise unknown_operator(f"{proto.op_type} with channels_last or an opset before 13", proto.name)
    return tuple(write(form))


@dataclasses.dataclass(frozen=True)
class _Form:
    """One integer-only node, and how the parts of its written-out form are made."""

    proto: onnx.NodeProto

    @property
    def attributes(self) -> dict[str, Any]:
        return {entry.name: helper.get_attribute_value(entry) for entry in self.proto.attribute}

    def given(self, slot: int) -> str:
        """Return the name of an input, empty where it is left out."""
        return str(self.proto.input[slot]) if slot < len(self.proto.input) else ""

    def value(self, what: str) -> str:
        """Return a name for a value between the parts."""
        return f"{self.proto.output[0]}/{what}"

    def dequantized(self, slot: int, *, axis: int = 1) -> onnx.NodeProto:
        """Return the node that dequantizes the input in ``slot`` by the scale and zero point that follow it."""
        inputs = [name for name in (self.given(slot + place) for place in range(3)) if name]
        name = f"{self.proto.name}/dequantize_{slot}" if self.proto.name else ""
        return helper.make_node("DequantizeLinear", inputs, [self.value(f"float_{slot}")], name, axis=axis)

    def computed(self, operator: str, inputs: Sequence[str]) -> onnx.NodeProto:
        """Return the float operator, with this node's name and attributes."""
        node = helper.make_node(operator, inputs, [self.value("float")], self.proto.name)
        node.attribute.extend(entry for entry in self.proto.attribute if entry.name not in _INTERNAL)
        return node

    def quantized(self, slot: int) -> onnx.NodeProto:
        """Return the node that quantizes the result by the scale in ``slot`` and the zero point after it."""
        inputs = [name for name in (self.value("float"), self.given(slot), self.given(slot + 1)) if name]
        name = f"{self.proto.name}/quantize" if self.proto.name else ""
        return helper.make_node("QuantizeLinear", inputs, [self.proto.output[0]], name)

    def product(self, left: str, right: str, what: str) -> onnx.NodeProto:
        """Return the node that multiplies two scales."""
        return helper.make_node("Mul", [left, right], [self.value(what)])

    def bias(self, slot: int, scale: str) -> onnx.NodeProto:
        """Return the node that dequantizes an int32 bias."""
        return helper.make_node("DequantizeLinear", [self.given(slot), scale], [self.value("bias")], axis=0)


_Write = Callable[[_Form], Iterator[onnx.NodeProto]]


def _conv(form: _Form) -> Iterator[onnx.NodeProto]:
    images, weight = form.dequantized(0), form.dequantized(3, axis=0)
    yield from (images, weight)
    inputs = [images.output[0], weight.output[0]]
    if form.given(8):
        yield form.product(form.given(1), form.given(4), "bias_scale")
        yield form.bias(8, form.value("bias_scale"))
        inputs.append(form.value("bias"))
    yield form.computed("Conv", inputs)
    yield form.quantized(6)


def _gemm(form: _Form) -> Iterator[onnx.NodeProto]:
    """Write out A B + C; C has the scale alpha * a_scale * b_scale and is not multiplied by alpha."""
    left, right = form.dequantized(0), form.dequantized(3, axis=0 if form.attributes.get("transB", 0) else 1)
    yield from (left, right)
    inputs = [left.output[0], right.output[0]]
    if form.given(6):
        yield helper.make_node("Constant", [], [form.value("alpha")], value_float=form.attributes.get("alpha", 1.0))
        yield form.product(form.given(1), form.given(4), "scales")
        yield form.product(form.value("scales"), form.value("alpha"), "bias_scale")
        yield form.bias(6, form.value("bias_scale"))
        inputs.append(form.value("bias"))
    result = form.computed("Gemm", inputs)
    if not form.given(7):
        result.output[0] = form.proto.output[0]
        yield result
        return
    yield result
    yield form.quantized(7)


def _matmul(form: _Form) -> Iterator[onnx.NodeProto]:
    left, right = form.dequantized(0, axis=-2), form.dequantized(3, axis=-1)
    yield from (left, right, form.computed("MatMul", [left.output[0], right.output[0]]), form.quantized(6))


def _where(form: _Form) -> Iterator[onnx.NodeProto]:
    left, right = form.dequantized(1), form.dequantized(4)
    chosen = form.computed("Where", [form.given(0), left.output[0], right.output[0]])
    yield from (left, right, chosen, form.quantized(7))


def _concat(form: _Form) -> Iterator[onnx.NodeProto]:
    parts = [form.dequantized(slot) for slot in range(2, len(form.proto.input), 3)]
    yield from (*parts, form.computed("Concat", [part.output[0] for part in parts]), form.quantized(0))


def _of_two(operator: str) -> _Write:
    def write(form: _Form) -> Iterator[onnx.NodeProto]:
        left, right = form.dequantized(0), form.dequantized(3)
        yield from (left, right, form.computed(operator, [left.output[0], right.output[0]]), form.quantized(6))

    return write


def _of_one(operator: str) -> _Write:
    def write(form: _Form) -> Iterator[onnx.NodeProto]:
        values = form.dequantized(0)
        yield from (values, form.computed(operator, [values.output[0]]), form.quantized(3))

    return write


_CONTRIB = "com.microsoft"
_FORMS = MappingProxyType(
    {
        ("", "QLinearConv"): _conv,
        ("", "QLinearMatMul"): _matmul,
        (_CONTRIB, "QGemm"): _gemm,
        (_CONTRIB, "QLinearAdd"): _of_two("Add"),
        (_CONTRIB, "QLinearAveragePool"): _of_one("AveragePool"),
        (_CONTRIB, "QLinearConcat"): _concat,
        (_CONTRIB, "QLinearConv"): _conv,
        (_CONTRIB, "QLinearGlobalAveragePool"): _of_one("GlobalAveragePool"),
        (_CONTRIB, "QLinearLeakyRelu"): _of_one("LeakyRelu"),
        (_CONTRIB, "QLinearMul"): _of_two("Mul"),
        (_CONTRIB, "QLinearReduceMean"): _of_one("ReduceMean"),
        (_CONTRIB, "QLinearSigmoid"): _of_one("Sigmoid"),
        (_CONTRIB, "QLinearSoftmax"): _of_one("Softmax"),
        (_CONTRIB, "QLinearWhere"): _where,
    }
)
