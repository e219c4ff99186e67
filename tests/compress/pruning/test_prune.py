"""Pruning of ONNX models: which tensors, how many zeros, what stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.pruning.prune import PruneOptions, compress, prune_model
from compress_onnx.errors import ModelError, OptionError, UnknownNameError
from compress_onnx.model.census.census import weights
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import model_bytes, model_sha256
from compress_onnx.model.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.records.artifacts import Preprocessing, RecipeStep

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(11)


def normal(*shape: int, dtype: Any = np.float32) -> NDArray[Any]:
    return RNG.normal(size=shape).astype(dtype)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def zeros(model: onnx.ModelProto, *names: str) -> int:
    return sum(int(np.count_nonzero(arrays(model)[name] == 0)) for name in names)


def test_exactly_the_asked_share_of_all_weights_is_zero(convnet: onnx.ModelProto) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.7))
    total = sum(weight.elements for weight in weights(convnet))
    assert zeros(pruned, "w1", "w2", "w3") == total * 7 // 10
    magnitudes = np.concatenate([np.abs(arrays(convnet)[name]).ravel() for name in ("w1", "w2", "w3")])
    kept = np.concatenate([arrays(pruned)[name].ravel() != 0 for name in ("w1", "w2", "w3")])
    assert magnitudes[kept].min() >= magnitudes[~kept].max()


def test_layer_scope_gives_each_tensor_its_share(convnet: onnx.ModelProto) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.25, scope="layer"))
    for name in ("w1", "w2", "w3"):
        assert zeros(pruned, name) == arrays(convnet)[name].size // 4
    assert model_bytes(pruned) != model_bytes(prune_model(convnet, PruneOptions(sparsity=0.25)))


def test_biases_batch_norm_and_structure_are_untouched(convnet: onnx.ModelProto) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.9))
    for name in ("scale", "shift", "mean", "var", "b2", "b3"):
        np.testing.assert_array_equal(arrays(pruned)[name], arrays(convnet)[name])
    assert list(pruned.graph.node) == list(convnet.graph.node)
    onnx.checker.check_model(pruned, full_check=True)


def test_the_argument_is_not_mutated(convnet: onnx.ModelProto) -> None:
    before = model_bytes(convnet)
    prune_model(convnet, PruneOptions(sparsity=0.9))
    assert model_bytes(convnet) == before


def test_pruning_again_changes_no_weight(convnet: onnx.ModelProto) -> None:
    once = prune_model(convnet, PruneOptions(sparsity=0.6))
    twice = prune_model(once, PruneOptions(sparsity=0.6))
    for name, values in arrays(once).items():
        assert values.tobytes() == arrays(twice)[name].tobytes()


def test_sparsity_zero_changes_no_weight(convnet: onnx.ModelProto) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.0))
    assert {name: values.tobytes() for name, values in arrays(pruned).items()} == {
        name: values.tobytes() for name, values in arrays(convnet).items()
    }


def test_every_weighted_operator_is_pruned(make_model: MakeModel) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "depthwise", "bias"], ["a"], pads=[1] * 4, group=3),
        helper.make_node("ConvTranspose", ["a", "up"], ["b"]),
        helper.make_node("Conv", ["b", "grouped"], ["c"], group=2),
        helper.make_node("Flatten", ["c"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["d"]),
        helper.make_node("Gemm", ["d", "plain", "bias2"], ["e"]),
        helper.make_node("Gemm", ["e", "turned"], ["logits"], transB=1),
    ]
    tensors = {
        "depthwise": normal(3, 1, 3, 3),
        "bias": np.full(3, 1e-6, np.float32),
        "up": normal(3, 4, 1, 1),
        "grouped": normal(4, 2, 1, 1),
        "matrix": normal(256, 7),
        "plain": normal(7, 6),
        "bias2": np.full((1, 6), 1e-6, np.float32),
        "turned": normal(5, 6),
    }
    names = ["depthwise", "up", "grouped", "matrix", "plain", "turned"]
    model = make_model(nodes, tensors)
    assert list(prunable_initializers(model)) == names
    pruned = prune_model(model, PruneOptions(sparsity=0.5, scope="layer"))
    assert [zeros(pruned, name) for name in names] == [tensors[name].size // 2 for name in names]
    assert zeros(pruned, "bias", "bias2") == 0


def test_a_shared_initializer_counts_once(make_model: MakeModel) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "w"], ["b"], pads=[1] * 4),
        helper.make_node("Flatten", ["b"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    tensors = {"w": normal(3, 3, 3, 3) / 100, "m": normal(192, 5)}
    pruned = prune_model(make_model(nodes, tensors), PruneOptions(sparsity=0.1))
    assert zeros(pruned, "w", "m") == (81 + 960) // 10


def test_half_precision_weights_stay_half_precision(make_model: MakeModel) -> None:
    nodes = [
        helper.make_node("Cast", ["input"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Flatten", ["half"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node("Cast", ["product"], ["logits"], to=TensorProto.FLOAT),
    ]
    pruned = prune_model(make_model(nodes, {"w": normal(192, 5, dtype=np.float16)}), PruneOptions(sparsity=0.3))
    assert arrays(pruned)["w"].dtype == np.float16
    assert zeros(pruned, "w") == 288


def test_the_child_knows_its_parent_and_how_it_was_made(convnet: onnx.ModelProto) -> None:
    preprocessing = Preprocessing(height=8, width=8, mean=(0.0,) * 3, std=(1.0,) * 3)
    export = RecipeStep(name="export", options={"opset": 21}, seconds=0.0)
    facts = Embedded(preprocessing=preprocessing, class_names=("a", "b"), recipe=(export,))
    parent = write_embedded(convnet, facts)
    found = read_embedded(prune_model(parent, PruneOptions(sparsity=0.5)))
    assert found.preprocessing == preprocessing
    assert found.class_names == ("a", "b")
    assert found.parent_sha256 == model_sha256(parent)
    options = {"sparsity": 0.5, "scope": "global", "basis": "unfolded", "exclude": []}
    step = RecipeStep(name="prune", options=options, seconds=0.0)
    assert found.recipe == (export, step)


def test_equal_input_gives_equal_bytes(convnet: onnx.ModelProto) -> None:
    first, second = (prune_model(convnet, PruneOptions(sparsity=0.5)) for _ in range(2))
    assert model_bytes(first) == model_bytes(second)


def test_the_plug_in_prunes_without_data(convnet: onnx.ModelProto) -> None:
    by_plug_in = compress(convnet, {"sparsity": 0.4, "scope": "layer"}, None)
    assert by_plug_in == prune_model(convnet, PruneOptions(sparsity=0.4, scope="layer"))


def test_excluded_weights_stay_and_do_not_count(convnet: onnx.ModelProto) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.5, exclude=("w[12]", "w1")))
    assert zeros(pruned, "w1", "w2") == zeros(convnet, "w1", "w2") == 0
    assert zeros(pruned, "w3") == arrays(convnet)["w3"].size // 2


def test_a_pattern_without_a_match_is_refused_with_near_names(convnet: onnx.ModelProto) -> None:
    with pytest.raises(OptionError, match=r"got 'W1\*' \(--exclude\)\. Weights: w1, w2, w3\."):
        prune_model(convnet, PruneOptions(exclude=("w2", "W1*")))
    with pytest.raises(OptionError, match=r"Did you mean w\d or"):
        prune_model(convnet, PruneOptions(exclude=("w12",)))


def test_a_bias_is_no_weight_to_exclude(convnet: onnx.ModelProto) -> None:
    with pytest.raises(OptionError, match="a pattern that matches a weight's name, got 'b2'"):
        prune_model(convnet, PruneOptions(exclude=("b2",)))


def test_excluding_everything_is_refused(convnet: onnx.ModelProto) -> None:
    with pytest.raises(OptionError, match=r"at least one weight left to prune, got none \(--exclude\)"):
        prune_model(convnet, PruneOptions(exclude=("*",)))


def test_the_folded_basis_judges_weights_times_batch_norm(convnet: onnx.ModelProto) -> None:
    stored = arrays(convnet)
    factor = stored["scale"] / np.sqrt(stored["var"] + np.float32(1e-5))
    folded_w1 = stored["w1"] * factor.reshape(-1, 1, 1, 1)
    smallest = np.sort(np.abs(folded_w1).ravel())[: folded_w1.size * 3 // 10]
    pruned = prune_model(convnet, PruneOptions(sparsity=0.3, scope="layer", basis="folded"))
    assert "BatchNormalization" not in {node.op_type for node in pruned.graph.node}
    first = numpy_helper.to_array(next(iter(prunable_initializers(pruned).values())))
    np.testing.assert_array_equal(first == 0, np.abs(folded_w1) <= smallest[-1])
    assert model_bytes(pruned) != model_bytes(prune_model(convnet, PruneOptions(sparsity=0.3, scope="layer")))


def test_patterns_mean_the_names_before_folding(convnet: onnx.ModelProto) -> None:
    pruned = prune_model(convnet, PruneOptions(sparsity=0.5, basis="folded", exclude=("w1", "w3")))
    counts = [int(np.count_nonzero(numpy_helper.to_array(t) == 0)) for t in prunable_initializers(pruned).values()]
    assert counts == [0, arrays(convnet)["w2"].size // 2, 0]


def test_an_unknown_basis_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean folded or unfolded"):
        PruneOptions(basis="foldd")


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.5, float("nan"), float("inf")])
def test_a_sparsity_out_of_bounds_is_refused(sparsity: float) -> None:
    with pytest.raises(OptionError, match=r"sparsity at least 0\.0 and below 1\.0"):
        PruneOptions(sparsity=sparsity)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean global"):
        PruneOptions(scope="globl")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(convnet: onnx.ModelProto, bad: float) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    values = arrays(model)["w2"].copy()
    values[3, 1, 2, 0] = bad
    model.graph.initializer[[t.name for t in model.graph.initializer].index("w2")].CopyFrom(
        numpy_helper.from_array(values, "w2")
    )
    with pytest.raises(ModelError, match=r"finite weights, got NaN or infinity in 'w2' \(a\.onnx\)"):
        prune_model(model, PruneOptions(), where="a.onnx")


@pytest.mark.parametrize("op", ["DequantizeLinear", "DynamicQuantizeLinear"])
def test_a_quantized_model_is_refused(convnet: onnx.ModelProto, op: str) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(convnet)
    model.graph.node.append(helper.make_node(op, ["x"], ["y"]))
    with pytest.raises(ModelError, match=r"float model to prune, got a quantized one.*Prune first"):
        prune_model(model, PruneOptions())


def test_a_model_without_prunable_weights_is_refused(make_model: MakeModel) -> None:
    nodes = [helper.make_node("Flatten", ["input"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["logits"])]
    nodes[1:1] = [
        helper.make_node("ReduceMean", ["f"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "shape"], ["w"]),
    ]
    with pytest.raises(ModelError, match=r"prunable weights .*got none"):
        prune_model(make_model(nodes, {"shape": np.array([192, 5])}), PruneOptions())
