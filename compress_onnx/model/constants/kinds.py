"""Kinds of operators: those that move constants, those that change them, and those that hold weights."""

from __future__ import annotations

import dataclasses

from onnx import NodeProto, TensorProto

STANDARD = frozenset({"", "ai.onnx"})
BLOCKED_LAYOUT = "com.microsoft.nchwc"
# Operators over channels in an order that one family of CPUs has.
CPU_LAYOUTS = frozenset({BLOCKED_LAYOUT, "com.ms.internal.nhwc"})
MICROSOFT = CPU_LAYOUTS | {"com.microsoft"}
FLOATS = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})

# Every value once, in another order or shape.
REORDERS = frozenset(
    {"DepthToSpace", "Dropout", "Flatten", "Identity", "Reshape", "SpaceToDepth", "Squeeze", "Transpose", "Unsqueeze"}
)
# Some values, or some of them several times.
SELECTIONS = frozenset({"Concat", "Expand", "Gather", "GatherElements", "GatherND", "Slice", "Split", "Tile"})
MOVES = REORDERS | SELECTIONS
QUANTIZERS = frozenset({"QuantizeLinear", "DequantizeLinear"})
# The same values in another type; computed scales leave the integers what they are.
CODECS = QUANTIZERS | {"Cast", "CastLike"}
# These hold what their first input holds, whatever the others are computed to.
STEADY = REORDERS | CODECS | {"Expand", "Slice", "Split", "Tile", "Trilu"}
# One value makes one value; of several inputs the largest is the one that is changed.
ELEMENTWISE = frozenset(
    {
        *(
            "Abs",
            "Acos",
            "Acosh",
            "Add",
            "Asin",
            "Asinh",
            "Atan",
            "Atanh",
            "Ceil",
            "Celu",
            "Clip",
            "Cos",
            "Cosh",
            "Div",
        ),
        *("Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "LayerNormalization", "LeakyRelu", "Log"),
        *("LogSoftmax", "LpNormalization", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "PRelu", "Pow"),
        *("Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax", "Softplus", "Softsign"),
        *("Sqrt", "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Where"),
    }
)
_RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where an operator takes a weight: the input, ``None`` for an attribute, and for integers that of its zero points.

    ``axis`` is what a vector of zero points runs along; ``activation`` is the input that meets the
    weight and ``point`` that of its zero points.
    """

    weight: int | None
    activation: int = 0
    zero: int | None = None
    axis: int = 0
    point: int | None = None


_BOTH = (Slot(weight=1), Slot(weight=0, activation=1))
_RECURRENT = (Slot(weight=1), Slot(weight=2))
_STANDARD_SLOTS: dict[str, tuple[Slot, ...]] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "DeformConv"), (Slot(weight=1),)),
    **dict.fromkeys(("Gemm", "MatMul"), _BOTH),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), _RECURRENT),
    "ConvInteger": (Slot(weight=1, zero=3, point=2),),
    "MatMulInteger": (Slot(weight=1, zero=3, axis=-1, point=2), Slot(weight=0, activation=1, zero=2, axis=-2, point=3)),
    "QLinearConv": (Slot(weight=3, zero=5, point=2),),
    "QLinearMatMul": (
        Slot(weight=3, zero=5, axis=-1, point=2),
        Slot(weight=0, activation=3, zero=2, axis=-2, point=5),
    ),
}
_MICROSOFT_SLOTS: dict[str, tuple[Slot, ...]] = {
    **dict.fromkeys(("FusedConv", "NhwcConv", "NhwcFusedConv", "GemmFastGelu", "Attention"), (Slot(weight=1),)),
    **dict.fromkeys(("PackedAttention", "WordConvEmbedding"), (Slot(weight=1),)),
    **dict.fromkeys(("FusedGemm", "FusedMatMul", "FusedMatMulActivation", "TransposeMatMul", "GemmFloat8"), _BOTH),
    "LongformerAttention": (Slot(weight=1), Slot(weight=4)),
    "DecoderAttention": (Slot(weight=3), Slot(weight=4, activation=1)),
    "MoE": (Slot(weight=2), Slot(weight=4), Slot(weight=6)),
    "QLinearConv": (Slot(weight=3, zero=5, point=2),),
    "NhwcQLinearConv": (Slot(weight=3, zero=5, point=2),),
    "QGemm": (Slot(weight=3, zero=5, axis=-1, point=2),),
    "MatMulIntegerToFloat": (
        Slot(weight=1, zero=5, axis=-1, point=4),
        Slot(weight=0, activation=1, zero=4, axis=-2, point=5),
    ),
    "DynamicQuantizeMatMul": (Slot(weight=1, zero=3, axis=-1),),
    "DynamicQuantizeLSTM": (Slot(weight=1, zero=9, axis=-1), Slot(weight=2, zero=11, axis=-1)),
    "QAttention": (Slot(weight=1, zero=7, axis=-1, point=6),),
    "MatMulNBits": (Slot(weight=1),),
    "MatMulBnb4": (Slot(weight=1),),
}
# ONNX's own layers, which the quantizer knows.
WEIGHTED_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_LINEAR = frozenset({"LinearClassifier", "LinearRegressor"})
PACKED = frozenset({"MatMulNBits", "MatMulBnb4"})
# These quantize their float input themselves, by what it holds.
SELF_QUANTIZING = frozenset({"DynamicQuantizeLSTM", "DynamicQuantizeMatMul"})
_QUANTIZED_NAMES = frozenset(
    {
        *("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "QGemm", "QAttention", "QMoE", "MatMulFpQ4"),
        *("DynamicQuantizeLSTM", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "QEmbedLayerNormalization"),
        *("GatherBlockQuantized", "NhwcQLinearConv", "MatMulBlockQuantizedFloat"),
    }
)


def slots(node: NodeProto) -> tuple[Slot, ...]:
    """Return where a node takes weights, empty where its operator has none."""
    if node.domain in STANDARD and node.op_type == "Einsum":
        return tuple(Slot(weight=place, activation=int(place == 0)) for place in range(len(node.input)))
    if node.domain in MICROSOFT and node.op_type in _MICROSOFT_SLOTS:
        return _MICROSOFT_SLOTS[node.op_type]
    return _STANDARD_SLOTS.get(node.op_type, ()) if node.domain in STANDARD | MICROSOFT else ()


def coefficients(node: NodeProto) -> str:
    """Return which attribute of a node holds its weights, empty where they are inputs.

    >>> coefficients(NodeProto(domain="ai.onnx.ml", op_type="LinearRegressor"))
    'coefficients'
    """
    return "coefficients" if node.domain == "ai.onnx.ml" and node.op_type in _LINEAR else ""


def is_integer(slot: Slot) -> bool:
    """Tell whether an operator takes this weight as integers with zero points."""
    return slot.zero is not None


def is_quantizing(node: NodeProto) -> bool:
    """Tell whether a node makes or uses quantized values."""
    if node.domain not in STANDARD | MICROSOFT:
        return False
    kind = node.op_type
    return kind in QUANTIZERS | PACKED | _QUANTIZED_NAMES or kind.startswith(("QLinear", "QOrdered"))


def is_random(node: NodeProto) -> bool:
    """Tell whether a node gives other outputs for the same inputs."""
    return node.domain in STANDARD and node.op_type in _RANDOM


def is_foreign(node: NodeProto) -> bool:
    """Tell whether it is not known here what a node computes."""
    return node.domain not in STANDARD and not (node.domain in MICROSOFT and node.op_type in QUANTIZERS)
