"""What a step does wrong is caught before the file is handed over, and what it does right is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.quantization import integer_form
from compress_onnx.compress.quantization.int4_repair import repaired_int4
from compress_onnx.compress.quantization.mixed import mixed_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError, SelfCheckError, naming

Images = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]
Edit = Callable[[onnx.ModelProto], None]
OPTIONS = QuantizeOptions(cpu="x86-64-avx2")


def changed(model: onnx.ModelProto, name: str, edit: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(edit(numpy_helper.to_array(tensor).copy()), name))


def bias_clipped(model: onnx.ModelProto) -> None:
    changed(model, "b2_quantized", lambda values: np.clip(values, -20, 20))


def bias_lost(model: onnx.ModelProto) -> None:
    changed(model, "b3_quantized", np.zeros_like)


def weight_permuted(model: onnx.ModelProto) -> None:
    changed(model, "w3_quantized", lambda values: values[::-1])


def one_channel_permuted(model: onnx.ModelProto) -> None:
    def turned(values: NDArray[Any]) -> NDArray[Any]:
        values[3] = values[3, ..., ::-1]
        return values

    changed(model, "w2_quantized", turned)


def weight_scale_halved(model: onnx.ModelProto) -> None:
    changed(model, "w2_scale", lambda values: values / np.float32(2))


def one_scale_off(model: onnx.ModelProto) -> None:
    changed(model, "w3_scale", lambda values: np.where(np.arange(len(values)) == 1, values * 8, values).astype("f4"))


def zero_point_off(model: onnx.ModelProto) -> None:
    changed(model, "input_zero_point", lambda value: np.asarray(value - 60, dtype=value.dtype))


def input_scale_off(model: onnx.ModelProto) -> None:
    changed(model, "input_scale", lambda value: np.asarray(value * 8, dtype=value.dtype))


def nan_scale(model: onnx.ModelProto) -> None:
    changed(model, "w2_scale", lambda values: values * np.float32(np.nan))


BROKEN: tuple[tuple[Edit, str], ...] = (
    (bias_clipped, "'conv2'.*weights or bias of its channel"),
    (bias_lost, "'fc'"),
    (weight_permuted, "'fc'"),
    (one_channel_permuted, "'conv2'.*channel 3"),
    (weight_scale_halved, "'conv2'"),
    (one_scale_off, "'fc'.*channel 1|with and without ONNX Runtime's optimizer"),
    (zero_point_off, "'conv1'.*zero point of its input"),
    (input_scale_off, "'conv1'.*zero point of its input"),
    (nan_scale, "'conv2'"),
)


@pytest.mark.parametrize("broken", BROKEN, ids=[edit.__name__ for edit, _ in BROKEN])
@pytest.mark.parametrize(
    "weights", ["int8", *(pytest.param(name, marks=pytest.mark.slow) for name in ("int4", "repaired"))]
)
def test_a_broken_step_is_caught_and_the_node_named(
    convnet: onnx.ModelProto,
    images: Images,
    monkeypatch: pytest.MonkeyPatch,
    *,
    broken: tuple[Edit, str],
    weights: str,
) -> None:
    breaking, message = broken
    real = integer_form._called  # what ONNX Runtime's quantizer gives

    def spoiled(*given: Any) -> onnx.ModelProto:
        made = real(*given)
        if weights != "int8" and breaking in {weight_permuted, one_channel_permuted}:
            return _four_bits_permuted(made, breaking)
        breaking(made)
        return made

    monkeypatch.setattr(integer_form, "_called", spoiled)
    options = QuantizeOptions(cpu="x86-64-avx2", weights="int8" if weights == "int8" else "int4")
    kinds = {"repaired": lambda: repaired_int4(convnet, lambda: [images], options)}
    quantize = kinds.get(weights, lambda: quantize_model(convnet, [images], options))
    with pytest.raises(SelfCheckError, match=message):
        quantize()


def _four_bits_permuted(model: onnx.ModelProto, broken: Edit) -> onnx.ModelProto:
    """Permute 4-bit integers, which NumPy holds in a type of its own."""
    name = "w3_quantized" if broken is weight_permuted else "w2_quantized"
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(tensor).astype(np.int8)
    turned = values[::-1] if broken is weight_permuted else values
    if broken is one_channel_permuted:
        turned[3] = turned[3, ..., ::-1].copy()
    flat = np.ascontiguousarray(turned).reshape(-1).tolist()
    tensor.CopyFrom(helper.make_tensor(name, tensor.data_type, list(tensor.dims), flat))
    return model


def random_net(make_model: MakeModel, seed: int) -> onnx.ModelProto:
    """Return a net of random depth, widths, groups, weight spreads and dead channels."""
    rng = np.random.default_rng(seed)
    nodes, tensors, width, last = [], {}, 3, "input"
    for number in range(int(rng.integers(1, 4))):
        groups = int(rng.choice([1, 1, 2])) if number else 1
        count = int(rng.choice([4, 8, 16]))
        weight = rng.standard_t(4, size=(count, width // groups, 3, 3)) * 10.0 ** rng.uniform(-2, 1)
        weight[rng.random(count) < 0.2] *= float(rng.choice([0, 1e-30, 1e-9, 1e-3]))
        tensors |= {f"w{number}": weight.astype("f4"), f"b{number}": (rng.normal(size=count) * 0.3).astype("f4")}
        made = [last, f"w{number}", f"b{number}"]
        nodes.append(helper.make_node("Conv", made, [f"c{number}"], f"conv{number}", pads=[1] * 4, group=groups))
        kind = str(rng.choice(["Relu", "Sigmoid", "LeakyRelu", "Tanh"]))
        nodes.append(helper.make_node(kind, [f"c{number}"], [f"r{number}"], f"act{number}"))
        last, width = f"r{number}", count
    tensors |= {"wf": rng.normal(size=(5, width)).astype("f4"), "bf": rng.normal(size=5).astype("f4") * 10}
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["p"], "pool"))
    nodes.append(helper.make_node("Flatten", ["p"], ["f"], "flatten"))
    nodes.append(helper.make_node("Gemm", ["f", "wf", "bf"], ["logits"], "fc", transB=1))
    return make_model(nodes, tensors)


def _quantized_every_way(model: onnx.ModelProto, images: Images) -> None:
    for cpu in ("x86-64-avx2", "x86-64-vnni", "aarch64"):
        quantize_model(model, [images], QuantizeOptions(cpu=cpu))
        quantize_model(model, [images], QuantizeOptions(cpu=cpu, weights="int4"))
    repaired_int4(model, lambda: [images], QuantizeOptions(cpu="x86-64-vnni", weights="int4"))
    mixed_model(model, lambda: [images], QuantizeOptions(cpu="x86-64-avx2"), max_drop=0.1)


@pytest.mark.parametrize("seed", range(100, 104))
def test_no_false_alarm(make_model: MakeModel, images: Images, seed: int) -> None:
    quantize_model(random_net(make_model, seed), [images], OPTIONS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_no_false_alarm_on_many_networks(make_model: MakeModel, images: Images, seed: int) -> None:
    _quantized_every_way(random_net(make_model, seed), images)


def test_an_error_of_a_step_names_the_file_once() -> None:
    with pytest.raises(SelfCheckError, match=r"\(a\.onnx, folding\)"), naming("a.onnx"):
        raise SelfCheckError("one", "another", where="folding")
    with pytest.raises(ModelError, match=r"got another \(a\.onnx\)\.$"), naming("a.onnx"):
        raise ModelError("one", "another", where="a.onnx")
