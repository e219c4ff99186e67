"""Pruning that does anything but set weights to zero is caught, and channels cut from the wrong place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.checks.pruned import expect_finite_outputs, expect_only_zeros
from compress_onnx.compress.checks.same_function import made_images
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.pruning.structured import StructuredOptions, structured_pruned
from compress_onnx.errors import SelfCheckError

MakeModel = Callable[..., onnx.ModelProto]


def changed(model: onnx.ModelProto, name: str, edit: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(edit(numpy_helper.to_array(tensor).copy()), name))


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


def pruned(model: onnx.ModelProto) -> onnx.ModelProto:
    return prune_model(model, PruneOptions(sparsity=0.5))


def test_pruning_that_moves_a_weight_is_caught(convnet: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(values: list[NDArray[Any]], sparsity: float) -> list[NDArray[Any]]:
        return [value * np.float32(1 - sparsity / 1e4) for value in values]

    monkeypatch.setattr("compress_onnx.compress.pruning.prune.pruned_globally", moved)
    with pytest.raises(SelfCheckError, match="lost weights and nothing else, got another tensor 'w1'"):
        pruned(convnet)


@pytest.mark.parametrize("edit", ["bias", "node", "tensor"])
def test_nothing_but_weights_becomes_zero(convnet: onnx.ModelProto, edit: str) -> None:
    thin = pruned(convnet)
    expect_only_zeros(convnet, thin)
    if edit == "bias":
        changed(thin, "b2", np.zeros_like)
    elif edit == "node":
        thin.graph.node[0].attribute[0].ints[0] = 2
    else:
        thin.graph.initializer.add().CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "new"))
    with pytest.raises(SelfCheckError, match="lost weights and nothing else"):
        expect_only_zeros(convnet, thin)


def test_pruning_that_ends_in_nan_is_caught(convnet: onnx.ModelProto) -> None:
    thin = pruned(convnet)
    changed(thin, "var", lambda values: -values)
    with pytest.raises(SelfCheckError, match="finite outputs"):
        expect_finite_outputs(convnet, thin, made_images(convnet))


def test_channels_cut_from_the_wrong_place_are_caught(make_model: MakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model = next(
        net
        for net in (random_net(make_model, seed) for seed in range(20))
        if not any(entry.name == "group" and entry.i > 1 for node in net.graph.node for entry in node.attribute)
    )
    options = StructuredOptions(fraction=0.5, multiple=1, least=1)
    structured_pruned(model, options)

    def shifted(*given: Any) -> None:
        real(*given)
        changed(given[0], "wf", lambda values: np.roll(values, 1, axis=1))

    real = structured_pruned.__globals__["cut"]
    monkeypatch.setattr("compress_onnx.compress.pruning.structured.cut", shifted)
    with pytest.raises(SelfCheckError, match="structured pruning"):
        structured_pruned(model, options)
