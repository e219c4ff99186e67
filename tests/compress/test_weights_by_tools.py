"""What ONNX Runtime's own tools make of one network: counted, named by its types, pruned or refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError
from compress_onnx.model.census.census import is_quantized, weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.census.prunable import out_of_reach
from compress_onnx.model.files import load_model
from compress_onnx.model.forms.normalize import normalized

Array = NDArray[Any]
RNG = np.random.default_rng(5)
IMAGES = RNG.normal(0, 1, (8, 3, 8, 8)).astype(np.float32)
SHAPES = {"first": (6, 3, 3, 3), "second": (12, 6, 3, 3), "head": (12, 5)}
TOTAL = 6 * 27 + 12 * 54 + 60


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """Two convolutions of channels that fill no block, and a product; half of each weight is zero."""
    tensors: dict[str, Array] = {}
    for name, shape in SHAPES.items():
        values = RNG.normal(0, 0.3, shape).astype(np.float32)
        values[np.abs(values) < np.median(np.abs(values))] = 0
        tensors[name] = values
    tensors |= {"b1": np.full(6, 0.1, np.float32), "b2": np.full(12, 0.1, np.float32)}
    nodes = [
        helper.make_node("Conv", ["input", "first", "b1"], ["c1"], "conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "second", "b2"], ["c2"], "conv2", pads=[1] * 4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "head"], ["logits"], "fc"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "half",
        [value("input", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [value("logits", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    path = tmp_path / "half.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


class _Images(CalibrationDataReader):  # type: ignore[misc]  # untyped
    def __init__(self) -> None:
        self._left = iter([{"input": IMAGES}])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._left, None)


def _static(source: Path, form: QuantFormat, activation: QuantType, **options: Any) -> onnx.ModelProto:
    target = source.with_name("static.onnx")
    quantize_static(
        source, target, _Images(), quant_format=form, per_channel=True, weight_type=QuantType.QInt8,
        activation_type=activation, **options,
    )  # fmt: skip
    return load_model(target)


def _dynamic(source: Path) -> onnx.ModelProto:
    target = source.with_name("dynamic.onnx")
    quantize_dynamic(source, target, weight_type=QuantType.QUInt8)
    return load_model(target)


def _blocked(source: Path, *, symmetric: bool, bits: int = 4) -> onnx.ModelProto:
    made = MatMulNBitsQuantizer(onnx.load(source), block_size=16, is_symmetric=symmetric, bits=bits)
    made.process()
    return made.model.model  # type: ignore[no-any-return]  # untyped


def _optimized(source: Path, level: str) -> onnx.ModelProto:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.optimized_model_filepath = str(source.with_name("optimized.onnx"))
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return load_model(source.with_name("optimized.onnx"))


def _logits(model: onnx.ModelProto) -> Array:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: IMAGES})[0])


QUANTISED = {
    "QOperator": (lambda path: _static(path, QuantFormat.QOperator, QuantType.QUInt8), "w8a8"),
    "QDQ": (lambda path: _static(path, QuantFormat.QDQ, QuantType.QUInt8), "w8a8"),
    "QDQ of signed activations": (lambda path: _static(path, QuantFormat.QDQ, QuantType.QInt8), "w8a8"),
    "QDQ of 16-bit activations": (
        lambda path: _static(path, QuantFormat.QDQ, QuantType.QUInt16, extra_options={"UseQDQContribOps": True}),
        "W8A16",
    ),
    "QDQ of the runtime's own operators": (
        lambda path: _static(path, QuantFormat.QDQ, QuantType.QUInt8, extra_options={"UseQDQContribOps": True}),
        "w8a8",
    ),
    "QDQ of convolutions only": (
        lambda path: _static(path, QuantFormat.QDQ, QuantType.QUInt8, op_types_to_quantize=["Conv"]),
        "W8A8 in 2 of 3",
    ),
    "dynamic": (_dynamic, "W8A8 dynamic"),
    "blocks": (lambda path: _blocked(path, symmetric=True), "W4 (weight only) in 1 of 3"),
    "blocks with zero points": (lambda path: _blocked(path, symmetric=False), "W4 (weight only) in 1 of 3"),
    "blocks of 8 bits": (lambda path: _blocked(path, symmetric=True, bits=8), "W8 (weight only) in 1 of 3"),
}


@pytest.mark.parametrize("name", [*QUANTISED])
def test_a_quantized_file_counts_as_its_parent(half: Path, name: str) -> None:
    make, kind = QUANTISED[name]
    before, model = weights(load_model(half)), make(half)
    after = weights(model)
    assert sum(weight.elements for weight in after) == TOTAL == sum(weight.elements for weight in before)
    # What is zero stays zero; the smallest others may become zero.
    zeros, least = (sum(w.elements - w.nonzero for w in found) for found in (after, before))
    assert least <= zeros <= least + 0.1 * TOTAL
    assert precision_of(model) == kind
    assert is_quantized(model)


@pytest.mark.parametrize("name", [*QUANTISED])
def test_a_quantized_file_is_neither_pruned_nor_quantized_again(half: Path, name: str) -> None:
    model = QUANTISED[name][0](half)
    with pytest.raises(ModelError, match="got a quantized one"):
        prune_model(model, PruneOptions())
    with pytest.raises(ModelError, match="got a quantized one"):
        quantize_model(model, [IMAGES], QuantizeOptions(cpu="aarch64"))


@pytest.mark.parametrize("level", ["BASIC", "EXTENDED", "ALL"])
def test_an_optimized_graph_counts_as_its_source(half: Path, level: str) -> None:
    model = _optimized(half, level)
    found = weights(model)
    assert sum(weight.elements for weight in found) == TOTAL
    assert sum(weight.nonzero for weight in found) == TOTAL // 2
    assert precision_of(model) == "fp32"


@pytest.mark.parametrize("level", ["BASIC", "EXTENDED"])
def test_an_optimized_graph_is_pruned_and_quantized_like_its_source(half: Path, level: str) -> None:
    model, source = _optimized(half, level), load_model(half)
    assert not {node.op_type for node in normalized(model).graph.node} & {"FusedConv", "FusedGemm"}
    np.testing.assert_allclose(_logits(normalized(model)), _logits(source), rtol=1e-5, atol=1e-6)
    options = PruneOptions(sparsity=0.7)
    np.testing.assert_allclose(
        _logits(prune_model(model, options)), _logits(prune_model(source, options)), rtol=1e-5, atol=1e-6
    )
    quantized = quantize_model(model, [IMAGES], QuantizeOptions(cpu="x86-64-vnni"))
    assert precision_of(quantized) == "w8a8"
    np.testing.assert_allclose(
        _logits(quantized), _logits(quantize_model(source, [IMAGES], QuantizeOptions(cpu="x86-64-vnni"))), atol=0.02
    )


def test_one_cpus_own_order_is_refused(half: Path) -> None:
    model = _optimized(half, "ALL")
    if not out_of_reach(model):
        pytest.skip("this CPU has no order of its own")
    with pytest.raises(ModelError, match=r"at most 1% are out of reach, got 93.1%: .*one CPU's kernels.*plain ONNX"):
        prune_model(model, PruneOptions())
    with pytest.raises(ModelError, match=r"plain ONNX, got .* layout of one CPU.*a\.onnx.*optimized from"):
        quantize_model(model, [IMAGES], QuantizeOptions(cpu="x86-64-avx2"), where="a.onnx")


def test_a_half_precision_body_is_pruned_as_it_is(half: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load(half), keep_io_types=True)
    assert precision_of(model) == "fp16"
    pruned = prune_model(model, PruneOptions(sparsity=0.75))
    found = weights(pruned)
    assert {weight.bits for weight in found} == {16}
    assert sum(weight.elements - weight.nonzero for weight in found) == int(0.75 * TOTAL)
    assert np.isfinite(_logits(pruned)).all()
