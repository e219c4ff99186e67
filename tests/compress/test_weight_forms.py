"""The same network in many forms: every weight is counted, pruned as in the plain form, or named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.pruning.magnitude import pruned_globally
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError
from compress_onnx.model.census.census import is_quantized, weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.census.prunable import out_of_reach, prunable_initializers
from compress_onnx.model.forms.normalize import normalized
from compress_onnx.model.metadata import read_embedded

Array = NDArray[Any]
RNG = np.random.default_rng(11)
MICROSOFT = "com.microsoft"
SPARSITY = 0.6


def _sparse_normal(*shape: int) -> Array:
    """Draw normal numbers of which a fifth are zero."""
    values = RNG.normal(0, 0.3, shape).astype(np.float32)
    values[RNG.random(shape) < 0.2] = 0
    return values


W = _sparse_normal(3, 3, 3, 3)
M = _sparse_normal(192, 5)
IMAGES = RNG.normal(0, 1, (6, 3, 8, 8)).astype(np.float32)


@dataclasses.dataclass
class Form:
    """Conv with W, Flatten, then ``nodes`` that make ``logits`` of ``flat`` (N, 192) and ``tensors``.

    ``effective`` are the matrices that it multiplies with, as arrays; ``kind`` its precision.
    """

    nodes: Sequence[onnx.NodeProto]
    tensors: Mapping[str, Any]
    effective: tuple[Array, ...] = (M,)
    kind: str = "fp32"
    change: Callable[[onnx.ModelProto], None] = lambda _: None
    opset: int = 21
    functions: tuple[onnx.FunctionProto, ...] = ()

    def model(self) -> onnx.ModelProto:
        stored = {"w": W, **self.tensors}
        tensors = [t if isinstance(t, TensorProto) else numpy_helper.from_array(t, n) for n, t in stored.items()]
        nodes = [_node("Conv", "input w", "c", pads=[1] * 4), _node("Flatten", "c", "flat"), *self.nodes]
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "net",
            [value("input", TensorProto.FLOAT, ["N", 3, 8, 8])],
            [value("logits", TensorProto.FLOAT, ["N", 5])],
            tensors,
        )
        imports = [
            helper.make_opsetid("", self.opset),
            helper.make_opsetid(MICROSOFT, 1),
            helper.make_opsetid("own", 1),
        ]
        model = helper.make_model(graph, opset_imports=imports, ir_version=10, functions=self.functions)
        self.change(model)
        onnx.checker.check_model(model)
        return model

    @property
    def elements(self) -> int:
        return W.size + sum(one.size for one in self.effective)

    @property
    def nonzero(self) -> int:
        return sum(int(np.count_nonzero(one)) for one in (W, *self.effective))


def _node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), output.split(), f"{output}_node", **attributes)


def _logits(model: onnx.ModelProto) -> Array:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": IMAGES})[0])


def _through(nodes: Sequence[onnx.NodeProto], **tensors: Any) -> Form:
    """Make a form whose matrix ``m`` is made by nodes of tensors."""
    return Form([*nodes, _node("MatMul", "flat m", "logits")], tensors)


def _sparse(name: str, values: Array, *, linear: bool) -> onnx.SparseTensorProto:
    places = np.flatnonzero(values) if linear else np.argwhere(values)
    held = helper.make_tensor(name, TensorProto.FLOAT, [np.count_nonzero(values)], values[values != 0])
    return helper.make_sparse_tensor(held, numpy_helper.from_array(places.astype(np.int64)), values.shape)


def _with_sparse(*, linear: bool) -> Form:
    def change(model: onnx.ModelProto) -> None:
        model.graph.sparse_initializer.append(_sparse("m", M, linear=linear))

    return dataclasses.replace(_through([]), change=change)


def _list_as_inputs(model: onnx.ModelProto) -> None:
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))


def _function(nodes: Sequence[onnx.NodeProto], inputs: Sequence[str], **options: Any) -> onnx.FunctionProto:
    return helper.make_function("own", "Product", inputs, ["y"], nodes, [helper.make_opsetid("", 21)], **options)


HELD = helper.make_node("Constant", [], ["held"], value=numpy_helper.from_array(M))
PRODUCT = _node("MatMul", "x held", "y")


def _branch(name: str, weight: str, *tensors: onnx.TensorProto) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    return helper.make_graph([_node("MatMul", f"flat {weight}", f"{name}_out")], name, [], [out], tensors)


def _condition() -> list[onnx.NodeProto]:
    return [_node("ReduceMax", "flat", "top", keepdims=0), _node("Less", "top bound", "small")]


def _if(then: onnx.GraphProto, other: onnx.GraphProto) -> onnx.NodeProto:
    return helper.make_node("If", ["small"], ["logits"], "choice", then_branch=then, else_branch=other)


BOUND = np.array(1e9, np.float32)
STACK = _sparse_normal(3, 5, 5)


def _scan() -> Form:
    """A Scan that multiplies by one matrix of a stack after another."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [_node("MatMul", "state slice", "next"), _node("Identity", "next", "seen")],
        "body",
        [value("state", TensorProto.FLOAT, None), value("slice", TensorProto.FLOAT, [5, 5])],
        [value("next", TensorProto.FLOAT, None), value("seen", TensorProto.FLOAT, None)],
    )
    scan = helper.make_node("Scan", ["start", "stack"], ["logits", "all"], "scan", num_scan_inputs=1, body=body)
    return Form([_node("MatMul", "flat m", "start"), scan], {"m": M, "stack": STACK}, (M, STACK))


def _loop() -> Form:
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [_node("Identity", "go", "going"), _node("MatMul", "state inner", "next")],
        "body",
        [
            value("turn", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("state", TensorProto.FLOAT, None),
        ],
        [value("going", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(STACK[0], "inner")],
    )
    loop = helper.make_node("Loop", ["turns", "", "start"], ["logits"], "loop", body=body)
    tensors = {"m": M, "turns": np.array(2, np.int64)}
    return Form([_node("MatMul", "flat m", "start"), loop], tensors, (M, STACK[0]))


def _norm() -> Form:
    """Weight normalization: g v / ||v||, columns apart."""
    gain = RNG.uniform(0.5, 2, (1, 5)).astype(np.float32)
    nodes = [
        _node("ReduceL2", "v axis", "length", keepdims=1),
        _node("Div", "gain length", "factor"),
        _node("Mul", "v factor", "m"),
    ]
    form = _through(nodes, v=M, gain=gain, axis=np.array([0]))
    return dataclasses.replace(form, effective=(M * (gain / np.sqrt((M**2).sum(0, keepdims=True))),))


HALF = M.astype(np.float16)
MASK = (RNG.random(M.shape) < 0.5).astype(np.float32)
ROW = RNG.uniform(0.5, 2, 5).astype(np.float32)
LSTM_W, LSTM_R = _sparse_normal(1, 20, 192), _sparse_normal(1, 20, 5)

FLOATS: dict[str, Callable[[], Form]] = {
    "initializer": lambda: _through([], m=M),
    "constant": lambda: _through([helper.make_node("Constant", [], ["m"], value=numpy_helper.from_array(M))]),
    "constant of a list": lambda: _through(
        [
            helper.make_node("Constant", [], ["row"], value_floats=M.ravel().tolist()),
            helper.make_node("Constant", [], ["shape"], value_ints=[192, 5]),
            _node("Reshape", "row shape", "m"),
        ]
    ),
    "sparse constant": lambda: _through(
        [helper.make_node("Constant", [], ["m"], sparse_value=_sparse("", M, linear=True))]
    ),
    "sparse initializer": lambda: _with_sparse(linear=True),
    "sparse initializer by coordinates": lambda: _with_sparse(linear=False),
    "identity": lambda: _through([_node("Identity", "s", "t"), _node("Identity", "t", "m")], s=M),
    "reshape": lambda: _through([_node("Reshape", "s shape", "m")], s=M.reshape(4, 48, 5), shape=np.array([-1, 5])),
    "transpose": lambda: _through([_node("Transpose", "s", "m", perm=[1, 0])], s=M.T.copy()),
    "cast from float16": lambda: dataclasses.replace(
        _through([_node("Cast", "s", "m", to=TensorProto.FLOAT)], s=HALF), effective=(HALF.astype(np.float32),)
    ),
    "cast from double": lambda: _through([_node("Cast", "s", "m", to=TensorProto.FLOAT)], s=M.astype(np.float64)),
    "cast from bfloat16": lambda: dataclasses.replace(
        _through([_node("Cast", "s", "m", to=TensorProto.FLOAT)], s=M.astype(ml_dtypes.bfloat16)),
        effective=(M.astype(ml_dtypes.bfloat16).astype(np.float32),),
    ),
    "squeeze": lambda: _through([_node("Squeeze", "s axes", "m")], s=M[None], axes=np.array([0])),
    "unsqueeze and flatten": lambda: _through(
        [_node("Unsqueeze", "s axes", "t"), _node("Flatten", "t", "m", axis=1)],
        s=M.reshape(192, 5),
        axes=np.array([2]),
    ),
    "slice": lambda: _through(
        [_node("Slice", "s from to", "m")], **{"s": np.vstack([M, M[:9]]), "from": np.array([0]), "to": np.array([192])}
    ),
    "concat": lambda: _through([_node("Concat", "a b", "m", axis=0)], a=M[:50], b=M[50:]),
    "split": lambda: _through([_node("Split", "s", "m rest", axis=1, num_outputs=2)], s=np.hstack([M, M])),
    "gather": lambda: _through([_node("Gather", "s rows", "m")], s=M[::-1].copy(), rows=np.arange(191, -1, -1)),
    "pad": lambda: dataclasses.replace(
        _through([_node("Pad", "s pads", "m")], s=M[:190], pads=np.array([0, 0, 2, 0])),
        effective=(np.pad(M[:190], ((0, 2), (0, 0))),),
    ),
    "scaled": lambda: dataclasses.replace(
        _through([_node("Mul", "s scale", "m")], s=M, scale=np.array(0.5, np.float32)), effective=(M * np.float32(0.5),)
    ),
    "scaled by column": lambda: dataclasses.replace(
        _through([_node("Mul", "row s", "m")], s=M, row=ROW), effective=(M * ROW,)
    ),
    "shifted": lambda: dataclasses.replace(
        _through([_node("Sub", "s one", "m")], s=M, one=np.array(0.125, np.float32)), effective=(M - np.float32(0.125),)
    ),
    "masked": lambda: dataclasses.replace(
        _through([_node("Mul", "s mask", "m")], s=M, mask=MASK), effective=(M * MASK,)
    ),
    "chosen": lambda: dataclasses.replace(
        _through([_node("Where", "mask s zero", "m")], s=M, mask=MASK > 0, zero=np.zeros((), np.float32)),
        effective=(M * MASK,),
    ),
    "of two factors": lambda: dataclasses.replace(
        _through([_node("MatMul", "u v", "m")], u=M[:, :2].copy(), v=STACK[0][:2].copy()),
        effective=(M[:, :2] @ STACK[0][:2],),
    ),
    "weight normalization": _norm,
    "constant of shape": lambda: dataclasses.replace(
        _through(
            [_node("ConstantOfShape", "shape", "m", value=numpy_helper.from_array(np.array([0.25], np.float32)))],
            shape=np.array([192, 5]),
        ),
        effective=(np.full((192, 5), 0.25, np.float32),),
    ),
    "function that holds it": lambda: Form(
        [helper.make_node("Product", ["flat"], ["logits"], domain="own")],
        {},
        functions=(_function([HELD, PRODUCT], ["x"]),),
    ),
    "function that takes it": lambda: Form(
        [helper.make_node("Product", ["flat", "m"], ["logits"], domain="own")],
        {"m": M},
        functions=(_function([_node("Identity", "v", "held"), PRODUCT], ["x", "v"]),),
    ),
    "function called twice": lambda: Form(
        [
            helper.make_node("Product", ["flat"], ["one"], domain="own"),
            helper.make_node("Product", ["flat"], ["two"], domain="own"),
            _node("Add", "one two", "logits"),
        ],
        {},
        functions=(_function([HELD, PRODUCT], ["x"]),),
    ),
    "function with it as an attribute": lambda: Form(
        [helper.make_node("Product", ["flat"], ["logits"], domain="own", matrix=numpy_helper.from_array(M))],
        {},
        functions=(_referring(),),
    ),
    "branches": lambda: Form(
        [
            *_condition(),
            _if(
                _branch("then", "m", numpy_helper.from_array(M, "m")),
                _branch("other", "m", numpy_helper.from_array(M[::-1].copy(), "m")),
            ),
        ],
        {"bound": BOUND},
        (M, M[::-1]),
    ),
    "taken into branches": lambda: Form(
        [*_condition(), _if(_branch("then", "m"), _branch("other", "m"))], {"bound": BOUND, "m": M}
    ),
    "loop": _loop,
    "scan": _scan,
    "listed as inputs": lambda: dataclasses.replace(_through([], m=M), change=_list_as_inputs, opset=13),
    "left of the product": lambda: Form(
        [
            _node("Transpose", "flat", "columns", perm=[1, 0]),
            _node("MatMul", "m columns", "turned"),
            _node("Transpose", "turned", "logits", perm=[1, 0]),
        ],
        {"m": M.T.copy()},
    ),
    "gemm with it first": lambda: Form(
        [_node("Gemm", "m flat", "turned", transB=1), _node("Transpose", "turned", "logits", perm=[1, 0])],
        {"m": M.T.copy()},
    ),
    "einsum": lambda: Form([_node("Einsum", "flat m", "logits", equation="ij,jk->ik")], {"m": M}),
    "stacked product": lambda: Form(
        [
            _node("Unsqueeze", "flat axes", "raised"),
            _node("MatMul", "raised m", "high"),
            _node("Squeeze", "high axes", "logits"),
        ],
        {"m": M[None], "axes": np.array([1])},
    ),
    "shared in two orders": lambda: Form(
        [
            _node("Transpose", "m", "n", perm=[1, 0]),
            _node("MatMul", "flat m", "one"),
            _node("Gemm", "flat n", "two", transB=1),
            _node("Add", "one two", "logits"),
        ],
        {"m": M},
    ),
    "fused product": lambda: Form(
        [helper.make_node("FusedMatMul", ["flat", "m"], ["logits"], domain=MICROSOFT, transB=1)], {"m": M.T.copy()}
    ),
    "fused gemm": lambda: Form(
        [
            helper.make_node(
                "FusedGemm", ["flat", "m"], ["logits"], domain=MICROSOFT, activation="LeakyRelu", activation_alpha=0.1
            )
        ],
        {"m": M},
    ),
    "lstm": lambda: Form(
        [
            _node("Unsqueeze", "flat axes", "steps"),
            _node("LSTM", "steps lw lr", "all", hidden_size=5),
            _node("Reshape", "all shape", "logits"),
        ],
        {"lw": LSTM_W, "lr": LSTM_R, "axes": np.array([0]), "shape": np.array([-1, 5])},
        (LSTM_W, LSTM_R),
    ),
}


def _referring() -> onnx.FunctionProto:
    held = helper.make_node("Constant", [], ["held"])
    held.attribute.append(onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR, ref_attr_name="matrix"))
    return _function([held, PRODUCT], ["x"], attributes=["matrix"])


# --------------------------------------------------------------------------------------- integers

SCALE = np.float32(0.01)
INTS = RNG.integers(-20, 21, (192, 5)).astype(np.int8)
INTS[RNG.random(INTS.shape) < 0.3] = 3
POINTS = np.array([3, 0, -1, 3, 2], np.int8)
UNSIGNED = (INTS.astype(np.int16) + 128).astype(np.uint8)
DEEP = np.clip(INTS, -8, 7)
COLUMNS = np.full(5, SCALE)
QUANTISED_INPUT = [_node("QuantizeLinear", "flat step point", "q"), _node("DequantizeLinear", "q step point", "real")]
STEP: dict[str, Array] = {"step": np.float32(0.05), "point": np.array(128, np.uint8)}


def _dequantized(nodes: Sequence[onnx.NodeProto], kind: str, effective: Array, **tensors: Any) -> Form:
    return Form([*nodes, _node("MatMul", "flat m", "logits")], tensors, (effective,), f"{kind} in 1 of 2")


def _four_bits(name: str, values: Array, kind: int = TensorProto.INT4) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, values.shape, values)


def _blocks(*, points: bool, bits: int = 4) -> Form:
    """MatMulNBits packed here, by the operator's documentation: blocks of 16 along K, low bits first."""
    top = 2**bits
    numbers = RNG.integers(0, top, (5, 12, 16)).astype(np.uint8)
    numbers[RNG.random(numbers.shape) < 0.3] = top // 2
    zero = RNG.integers(0, top, (5, 12)).astype(np.uint8) if points else np.full((5, 12), top // 2, np.uint8)
    packed = numbers if bits == 8 else numbers[..., ::2] | numbers[..., 1::2] << 4
    packed_zero = zero if bits == 8 else zero[:, ::2] | zero[:, 1::2] << 4
    tensors = {"b": packed, "scales": np.full((5, 12), SCALE), **({"zero": packed_zero} if points else {})}
    node = helper.make_node(
        "MatMulNBits", ["flat", *tensors], ["logits"], domain=MICROSOFT, K=192, N=5, bits=bits, block_size=16
    )
    effective = (numbers.astype(np.float32) - zero[..., None]).reshape(5, 192)
    return Form([node], tensors, (effective,), f"W{bits} (weight only) in 1 of 2")


def _normal_floats() -> Form:
    """MatMulBnb4 of NF4 numbers, whose table holds 0 in place 7."""
    numbers = RNG.integers(0, 16, 960).astype(np.uint8)
    packed = numbers[::2] << 4 | numbers[1::2]
    node = helper.make_node(
        "MatMulBnb4", ["flat", "b", "absmax"], ["logits"], domain=MICROSOFT, K=192, N=5, block_size=16, quant_type=1
    )
    tensors = {"b": packed, "absmax": np.full(60, SCALE)}
    return Form([node], tensors, ((numbers != 7).astype(np.float32),), "W4 (weight only) in 1 of 2")


def _dynamic(op: str, inputs: str, *, domain: str = "", **tensors: Any) -> Form:
    nodes = [helper.make_node("DynamicQuantizeLinear", ["flat"], ["q", "step", "point"])]
    nodes.append(helper.make_node(op, inputs.split(), ["product"], domain=domain))
    nodes.append(_node("Cast", "product", "logits", to=TensorProto.FLOAT))
    return Form(nodes, tensors, (INTS.astype(np.float32) - POINTS,), "W8A8 dynamic in 1 of 2")


INTEGERS: dict[str, Callable[[], Form]] = {
    "int8 by column": lambda: _dequantized(
        [_node("DequantizeLinear", "i s p", "m", axis=1)],
        "W8 (weight only)",
        INTS - POINTS.astype(int),
        i=INTS,
        s=COLUMNS,
        p=POINTS,
    ),
    "int8 by blocks": lambda: _dequantized(
        [_node("DequantizeLinear", "i s", "m", axis=0, block_size=48)],
        "W8 (weight only)",
        INTS.astype(np.float32),
        i=INTS,
        s=np.full((4, 5), SCALE),
    ),
    "uint8 turned": lambda: _dequantized(
        [_node("DequantizeLinear", "i s p", "t"), _node("Transpose", "t", "m", perm=[1, 0])],
        "W8 (weight only)",
        UNSIGNED.astype(int) - 128,
        i=UNSIGNED.T.copy(),
        s=SCALE,
        p=np.array(128, np.uint8),
    ),
    "int4 widened": lambda: _dequantized(
        [_node("Cast", "i", "wide", to=TensorProto.INT8), _node("DequantizeLinear", "wide s", "m")],
        "W4 (weight only)",
        DEEP.astype(np.float32),
        i=_four_bits("i", DEEP),
        s=SCALE,
    ),
    "the runtime's own dequantizer": lambda: _dequantized(
        [helper.make_node("DequantizeLinear", ["i", "s", "p"], ["m"], domain=MICROSOFT)],
        "W8 (weight only)",
        INTS.astype(np.float32) - 3,
        i=INTS,
        s=SCALE,
        p=np.array(3, np.int8),
    ),
    "cast and scaled": lambda: _dequantized(
        [_node("Cast", "i", "f", to=TensorProto.FLOAT), _node("Sub", "f p", "g"), _node("Mul", "g s", "m")],
        "W8 (weight only)",
        INTS.astype(np.float32) - 3,
        i=INTS,
        s=SCALE,
        p=np.float32(3),
    ),
    "rounded on the way": lambda: _dequantized(
        [_node("QuantizeLinear", "f s z", "i"), _node("DequantizeLinear", "i s z", "m")],
        "W8 (weight only)",
        np.rint(M / np.float32(0.1)),
        f=M,
        s=np.float32(0.1),
        z=np.array(0, np.int8),
    ),
    "both sides": lambda: Form(
        [*QUANTISED_INPUT, _node("DequantizeLinear", "i s", "m"), _node("MatMul", "real m", "logits")],
        {**STEP, "i": INTS, "s": SCALE},
        (INTS,),
        "W8A8 in 1 of 2",
    ),
    "sixteen bits": lambda: Form(
        [*QUANTISED_INPUT, _node("DequantizeLinear", "i s", "m"), _node("MatMul", "real m", "logits")],
        {"step": np.float32(0.001), "point": np.array(32768, np.uint16), "i": INTS, "s": SCALE},
        (INTS,),
        "W8A16 in 1 of 2",
    ),
    "MatMulInteger": lambda: _dynamic("MatMulInteger", "q i point p", i=INTS, p=POINTS),
    "MatMulIntegerToFloat": lambda: _dynamic(
        "MatMulIntegerToFloat", "q i step s point p", domain=MICROSOFT, i=INTS, s=COLUMNS, p=POINTS
    ),
    "DynamicQuantizeMatMul": lambda: Form(
        [helper.make_node("DynamicQuantizeMatMul", ["flat", "i", "s", "p"], ["logits"], domain=MICROSOFT)],
        {"i": INTS, "s": COLUMNS, "p": POINTS},
        (INTS.astype(np.float32) - POINTS,),
        "W8A8 dynamic in 1 of 2",
    ),
    "QLinearMatMul": lambda: Form(
        [
            QUANTISED_INPUT[0],
            _node("QLinearMatMul", "q step point i s p step point", "o"),
            _node("DequantizeLinear", "o step point", "logits"),
        ],
        {**STEP, "i": INTS, "s": COLUMNS, "p": POINTS},
        (INTS.astype(np.float32) - POINTS,),
        "W8A8 in 1 of 2",
    ),
    "QGemm": lambda: Form(
        [
            QUANTISED_INPUT[0],
            helper.make_node("QGemm", ["q", "step", "point", "i", "s", "p"], ["logits"], domain=MICROSOFT, transB=1),
        ],
        {**STEP, "i": INTS.T.copy(), "s": COLUMNS, "p": POINTS},
        (INTS.astype(np.float32) - POINTS,),
        "W8A8 in 1 of 2",
    ),
    "four bits in blocks": lambda: _blocks(points=False),
    "four bits in blocks with zero points": lambda: _blocks(points=True),
    "eight bits in blocks": lambda: _blocks(points=True, bits=8),
    "NF4": _normal_floats,
}


@pytest.fixture(params=[*FLOATS])
def floats(request: pytest.FixtureRequest) -> Form:
    return FLOATS[request.param]()


@pytest.fixture(params=[*INTEGERS])
def integers(request: pytest.FixtureRequest) -> Form:
    return INTEGERS[request.param]()


def _counted(model: onnx.ModelProto) -> tuple[int, int]:
    found = weights(model)
    return sum(weight.elements for weight in found), sum(weight.nonzero for weight in found)


def test_every_float_weight_is_counted(floats: Form) -> None:
    model = floats.model()
    assert _counted(model) == (floats.elements, floats.nonzero)
    assert precision_of(model) == "fp32"
    assert not is_quantized(model)


def test_every_integer_weight_counts_as_what_it_decodes_to(integers: Form) -> None:
    model = integers.model()
    _logits(model)
    assert _counted(model) == (integers.elements, integers.nonzero)
    assert precision_of(model) == integers.kind
    assert is_quantized(model)


def test_the_plain_form_computes_the_same_with_every_weight_in_reach(floats: Form) -> None:
    model = floats.model()
    plain = normalized(model)
    onnx.checker.check_model(plain, full_check=True)
    np.testing.assert_allclose(_logits(plain), _logits(model), rtol=1e-5, atol=1e-5)
    assert _counted(plain) == _counted(model)
    assert out_of_reach(plain) == {}
    assert sum(int(np.prod(tensor.dims)) for tensor in prunable_initializers(plain).values()) == floats.elements
    assert normalized(plain) == plain
    assert floats.model() == model


def test_pruning_any_form_zeroes_what_it_would_in_the_plain_one(floats: Form) -> None:
    pruned = prune_model(floats.model(), PruneOptions(sparsity=SPARSITY))
    elements, nonzero = _counted(pruned)
    wanted = max(int(SPARSITY * elements), elements - floats.nonzero)
    assert (elements, elements - nonzero) == (floats.elements, wanted)
    thin = pruned_globally([W, *floats.effective], SPARSITY)
    assert nonzero == sum(int(np.count_nonzero(one)) for one in thin)
    if len(floats.effective) == 1 and len(floats.nodes) < 6:
        smallest = min(np.abs(one[one != 0]).min() for one in thin)
        kept = np.concatenate([np.abs(numpy_helper.to_array(t)).astype(np.float32).ravel() for t in _stored(pruned)])
        assert kept[kept > 0].min() == pytest.approx(smallest, rel=1e-6)
    _logits(pruned)


def _stored(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [*prunable_initializers(model).values()]


def test_pruned_forms_of_one_matrix_answer_alike() -> None:
    """Whatever form the matrix M had, the pruned network is the pruned plain one."""
    plain = prune_model(FLOATS["initializer"]().model(), PruneOptions(sparsity=SPARSITY))
    for name, make in FLOATS.items():
        form = make()
        if (
            len(form.effective) == 1
            and form.effective[0] is M
            and name not in {"fused gemm", "function called twice", "shared in two orders"}
        ):
            found = _logits(prune_model(form.model(), PruneOptions(sparsity=SPARSITY)))
            np.testing.assert_allclose(found, _logits(plain), rtol=1e-5, atol=1e-5, err_msg=name)


def test_quantized_weights_are_refused_in_any_form(integers: Form) -> None:
    model = integers.model()
    with pytest.raises(ModelError, match=r"a float model to prune, got a quantized one .*Prune first"):
        prune_model(model, PruneOptions(), where="m.onnx")
    with pytest.raises(ModelError, match=r"a float model to quantize, got a quantized one .*FP32 parent"):
        quantize_model(model, [IMAGES], QuantizeOptions(cpu="x86-64-vnni"), where="m.onnx")


@pytest.mark.parametrize("name", ["transpose", "constant", "function that holds it", "cast from float16", "masked"])
def test_weights_behind_nodes_are_quantized_like_plain_ones(name: str) -> None:
    form = FLOATS[name]()
    found = quantize_model(form.model(), [IMAGES], QuantizeOptions(cpu="x86-64-vnni"))
    assert precision_of(found) == "w8a8"
    assert _counted(found)[0] == form.elements


@pytest.mark.parametrize(("name", "missed"), [("branches", 2), ("loop", 1), ("lstm", 2), ("einsum", 1)])
def test_what_quantization_leaves_is_named_in_the_recipe(name: str, missed: int) -> None:
    form = FLOATS[name]()
    found = quantize_model(form.model(), [IMAGES], QuantizeOptions(cpu="x86-64-vnni"))
    (step,) = read_embedded(found).recipe
    listed, share = step.options["not_reached"], step.options["not_reached_share"]
    assert isinstance(listed, list)
    assert len(listed) == missed
    left = sum(one.size for one in form.effective[-missed:])
    assert share == pytest.approx(left / form.elements)
    assert precision_of(found).startswith("W8A8 in ")
