"""What compression does not reach is told in recipe and record, and refused where it is much."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.pruning.structured import StructuredOptions, channel_plan, structured_pruned
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.errors import ModelError
from compress_onnx.model.artifact import describe
from compress_onnx.model.census.census import weights
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import save_model
from compress_onnx.model.metadata import read_embedded

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(9)


def normal(*shape: int) -> NDArray[Any]:
    return RNG.normal(0, 1, shape).astype(np.float32)


def unreachable(make_model: MakeModel, columns: int) -> onnx.ModelProto:
    """Make a network of 960 weights, and of 5 by ``columns`` more of which a node takes the tanh when it runs."""
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["hidden"]),
        helper.make_node("Shape", ["hidden"], ["sizes"]),
        helper.make_node("Slice", ["sizes", "one", "two"], ["width"]),
        helper.make_node("Concat", ["width", "five"], ["shape"], axis=0),
        helper.make_node("Reshape", ["row", "shape"], ["table"]),
        helper.make_node("Exp", ["table"], ["risen"]),
        helper.make_node("Slice", ["risen", "zero", "five", "one"], ["square"]),
        helper.make_node("MatMul", ["hidden", "square"], ["logits"]),
    ]
    numbers = {"zero": 0, "one": 1, "two": 2, "five": 5}
    tensors = {"m": normal(192, 5), "row": normal(5 * columns)}
    return make_model(nodes, tensors | {name: np.array([number]) for name, number in numbers.items()})


def test_more_than_a_hundredth_out_of_reach_is_refused(make_model: MakeModel) -> None:
    model = unreachable(make_model, 5)
    assert sum(weight.elements for weight in weights(model)) == 960 + 25
    with pytest.raises(
        ModelError, match=r"at most 1% are out of reach, got 2\.5%: row, .* \(m\.onnx\)\. Export it again"
    ):
        prune_model(model, PruneOptions(), where="m.onnx")


def test_less_is_named_in_recipe_and_record(make_model: MakeModel, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("compress_onnx.model.census.reach.MOST_OUT_OF_REACH", 0.03)
    pruned = prune_model(unreachable(make_model, 5), PruneOptions(sparsity=0.5))
    (step,) = read_embedded(pruned).recipe
    assert step.options["not_reached"] == ["row: changed by other constants"]
    assert step.options["not_reached_share"] == pytest.approx(25 / 985)
    save_model(pruned, tmp_path / "p.onnx")
    artifact = describe(tmp_path / "p.onnx", name="p", shown_path="p.onnx")
    assert artifact.warnings == ("prune did not reach 2.5% of the weights: row: changed by other constants.",)
    assert artifact.weights - artifact.nonzero_weights == 480


def test_what_is_reached_whole_needs_no_words(convnet: onnx.ModelProto) -> None:
    assert "not_reached" not in read_embedded(prune_model(convnet, PruneOptions())).recipe[-1].options


def shared(make_model: MakeModel) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["a"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["n"]),
        helper.make_node("Conv", ["n", "w"], ["b"], pads=[1] * 4),
        helper.make_node("Flatten", ["b"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    tensors = {"w": normal(3, 3, 3, 3), "m": normal(192, 5), "var": np.array([0.5, 1, 2], np.float32)}
    return make_model(nodes, tensors | {name: normal(3) for name in ("scale", "shift", "mean")})


@pytest.mark.parametrize("basis", ["folded", "unfolded"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.5, 0.9])
def test_a_weight_that_folding_doubles_is_pruned_in_both_forms(
    make_model: MakeModel, basis: str, sparsity: float
) -> None:
    found = weights(prune_model(shared(make_model), PruneOptions(sparsity=sparsity, basis=basis)))
    elements = sum(weight.elements for weight in found)
    assert elements == 960 + (162 if basis == "folded" else 81)
    assert sum(weight.elements - weight.nonzero for weight in found) == int(sparsity * elements)


def test_excluding_a_weight_that_folding_doubles_keeps_both(make_model: MakeModel) -> None:
    pruned = prune_model(shared(make_model), PruneOptions(sparsity=0.5, basis="folded", exclude=("w",)))
    assert [weight.elements - weight.nonzero for weight in weights(pruned)] == [0, 0, 480]


def branches() -> dict[str, onnx.GraphProto]:
    out = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, None)
    return {
        name: helper.make_graph(
            [helper.make_node("Conv", ["c", "inner"], ["out"], pads=[1] * 4)],
            name,
            [],
            [out],
            [numpy_helper.from_array(normal(6, 6, 3, 3), "inner")],
        )
        for name in ("then_branch", "else_branch")
    }


def branching(make_model: MakeModel) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["first"], pads=[1] * 4),
        helper.make_node("Conv", ["first", "v"], ["c"], pads=[1] * 4),
        helper.make_node("ReduceMax", ["c"], ["top"], keepdims=0),
        helper.make_node("Less", ["top", "bound"], ["small"]),
        helper.make_node("If", ["small"], ["chosen"], "choice", **branches()),
        helper.make_node("GlobalAveragePool", ["chosen"], ["p"]),
        helper.make_node("Flatten", ["p"], ["flat"]),
        helper.make_node("MatMul", ["flat", "m"], ["logits"]),
    ]
    tensors = {"w": normal(8, 3, 3, 3), "v": normal(6, 8, 3, 3), "m": normal(6, 5), "bound": np.array(1e9, np.float32)}
    return make_model(nodes, tensors)


def test_channels_in_branches_are_left_whole_by_name(make_model: MakeModel) -> None:
    plan = channel_plan(branching(make_model), StructuredOptions(fraction=0.5, multiple=1))
    assert plan.after["w"] == 4
    places = {"else_branch of If 'choice': inner", "then_branch of If 'choice': inner"}
    assert {name for name, reason in plan.left_whole.items() if reason.startswith("in ")} == places
    pruned = structured_pruned(branching(make_model), StructuredOptions(fraction=0.5, multiple=1))
    (step,) = read_embedded(pruned).recipe
    assert step.options["not_reached_share"] == pytest.approx(2 * 324 / (216 + 432 + 2 * 324 + 30))


def test_quantization_that_reaches_nothing_is_refused(make_model: MakeModel) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Einsum", ["flat", "m"], ["logits"], equation="ij,jk->ik"),
    ]
    images = RNG.normal(0, 1, (4, 3, 8, 8)).astype(np.float32)
    with pytest.raises(ModelError, match=r"weights that can be quantized, got none: m, of Einsum.* \(e\.onnx\)"):
        quantize_model(
            make_model(nodes, {"m": normal(192, 5)}), [images], QuantizeOptions(cpu="aarch64"), where="e.onnx"
        )


def test_pruning_reaches_branches_in_place(make_model: MakeModel) -> None:
    model = branching(make_model)
    pruned = prune_model(model, PruneOptions(sparsity=0.5))
    found = weights(pruned)
    assert len(found) == 5 == len(prunable_initializers(pruned))
    elements = sum(weight.elements for weight in found)
    assert sum(weight.nonzero for weight in found) == elements - elements // 2
