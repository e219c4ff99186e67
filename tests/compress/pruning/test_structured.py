"""Structured pruning: dead channels vanish without a trace, tied channels go together, the rest is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.pruning.structured import StructuredOptions, channel_plan, compress, structured_pruned
from compress_onnx.errors import ModelError, OptionError, UnknownNameError
from compress_onnx.model.files import model_bytes, model_sha256
from compress_onnx.model.metadata import read_embedded

MakeModel = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]
Arrays = dict[str, NDArray[Any]]
RNG = np.random.default_rng(31)


def normal(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def values(model: onnx.ModelProto, name: str) -> NDArray[Any]:
    return next(numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == name)


def dead(array: NDArray[np.float32], *filters: int) -> NDArray[np.float32]:
    """Return the array with these filters (rows) set to zero."""
    copy = array.copy()
    copy[list(filters)] = 0
    return copy


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], output, **attributes)


def conv(inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return node("Conv", inputs, output, pads=[1] * 4, **attributes)


def head(source: str, width: int, tensors: Arrays) -> list[onnx.NodeProto]:
    """Pool over space, flatten and classify."""
    tensors["fc"] = normal(5, width)
    return [
        node("GlobalAveragePool", source, "pooled"),
        node("Flatten", "pooled", "flat"),
        node("Gemm", "flat fc", "logits", transB=1),
    ]


def expect_same_logits(
    model: onnx.ModelProto, pruned: onnx.ModelProto, run: Runner, images: NDArray[np.float32]
) -> None:
    onnx.checker.check_model(pruned, full_check=True)
    np.testing.assert_allclose(run(pruned, images), run(model, images), rtol=1e-4, atol=1e-5)


LAYER = StructuredOptions(fraction=0.5, scope="layer", multiple=1)

# --------------------------------------------------------------------------- dead channels leave no trace


def test_dead_filters_go_and_the_logits_stay(make_model: MakeModel, run: Runner, images: NDArray[np.float32]) -> None:
    tensors = {
        "w1": dead(normal(6, 3, 3, 3), 0, 3, 4),
        "b1": dead(normal(6), 0, 3, 4),
        "w2": dead(normal(4, 6, 3, 3), 1),
    }
    nodes = [
        conv("input w1 b1", "c1"),
        node("Clip", "c1 low high", "r1"),
        node("MaxPool", "r1", "m1", kernel_shape=[2, 2], strides=[2, 2]),
        conv("m1 w2", "c2"),
        node("LeakyRelu", "c2", "r2"),
        *head("r2", 4, tensors),
    ]
    model = make_model(nodes, {**tensors, "low": np.float32(0), "high": np.float32(6)})
    pruned = structured_pruned(model, StructuredOptions(fraction=0.4, scope="global", multiple=1))
    assert shapes(pruned)["w1"] == (3, 3, 3, 3)
    assert shapes(pruned)["b1"] == (3,)
    assert shapes(pruned)["w2"] == (3, 3, 3, 3)
    assert shapes(pruned)["fc"] == (5, 3)
    expect_same_logits(model, pruned, run, images)


@pytest.mark.parametrize("target", [[-1, 96], [0, -1], [0, 96], [12, -1], [-1, 6, 16], [0, 0, -1]])
@pytest.mark.parametrize("stored", ["initializer", "constant"])
def test_a_channel_becomes_columns_of_the_next_matrix(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32], target: list[int], stored: str
) -> None:
    tensors: Arrays = {"w": dead(normal(6, 3, 3, 3), 1, 2, 5), "fc": normal(96, 5)}
    shape = numpy_helper.from_array(np.array(target, np.int64), "shape")
    constant = [helper.make_node("Constant", [], ["shape"], value=shape)] if stored == "constant" else []
    flatten = [node("Flatten", "folded", "flat")] if len(target) == 3 else [node("Identity", "folded", "flat")]
    nodes = [
        *constant,
        conv("input w", "c"),
        node("AveragePool", "c", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Reshape", "p shape", "folded"),
        *flatten,
        node("MatMul", "flat fc", "logits"),
    ]
    batch = 12 if target[0] > 0 else "batch"
    model = make_model(nodes, tensors if constant else {**tensors, "shape": shape}, batch=batch)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned)["fc"] == (48, 5)
    expect_same_logits(model, pruned, run, images)


def test_residual_paths_lose_the_same_channels(make_model: MakeModel, run: Runner, images: NDArray[np.float32]) -> None:
    tensors: Arrays = {
        "stem": dead(normal(4, 3, 3, 3), 0, 2),
        "inner": dead(normal(6, 4, 3, 3), 1, 3, 5),
        "outer": dead(normal(4, 6, 3, 3), 0, 2),
        "shift": dead(normal(4, 1, 1), 0, 2),
    }
    nodes = [
        conv("input stem", "s"),
        node("Relu", "s", "sr"),
        conv("sr inner", "i"),
        node("Relu", "i", "ir"),
        conv("ir outer", "o"),
        node("Add", "o sr", "sum"),
        node("Add", "shift sum", "shifted"),
        node("Relu", "shifted", "r"),
        *head("r", 4, tensors),
    ]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    wanted = {"stem": (2, 3, 3, 3), "inner": (3, 2, 3, 3), "outer": (2, 3, 3, 3), "shift": (2, 1, 1), "fc": (5, 2)}
    assert shapes(pruned) == wanted
    expect_same_logits(model, pruned, run, images)


def test_tied_filters_are_ranked_by_the_sum_of_their_norms(make_model: MakeModel) -> None:
    ones = np.ones((3, 3, 3, 3), np.float32)
    tensors: Arrays = {"a": ones * np.float32([1, 5, 3]).reshape(3, 1, 1, 1), "b": ones}
    tensors["b"] = ones * np.float32([7, 2, 4.5]).reshape(3, 1, 1, 1)
    nodes = [conv("input a", "x"), conv("input b", "y"), node("Add", "x y", "sum"), *head("sum", 3, tensors)]
    pruned = structured_pruned(make_model(nodes, tensors), StructuredOptions(fraction=0.34, scope="layer", multiple=1))
    # The sums are 8, 7 and 7.5: neither the smallest filter of a nor that of b alone decides.
    assert values(pruned, "a")[:, 0, 0, 0].tolist() == [1, 3]
    assert values(pruned, "b")[:, 0, 0, 0].tolist() == [7, 4.5]


def test_joined_channels_keep_their_places(make_model: MakeModel, run: Runner, images: NDArray[np.float32]) -> None:
    tensors: Arrays = {"a": dead(normal(4, 3, 3, 3), 1, 2), "b": dead(normal(6, 3, 3, 3), 0, 1, 5)}
    tensors["w"] = dead(normal(2, 13, 3, 3), 1)
    nodes = [
        conv("input a", "x"),
        conv("input b", "y"),
        node("Concat", "x input y", "joined", axis=-3),
        conv("joined w", "c"),
        *head("c", 2, tensors),
    ]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned)["w"] == (1, 8, 3, 3)
    expect_same_logits(model, pruned, run, images)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_filters_go_with_their_channel(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32], multiplier: int
) -> None:
    width = 4 * multiplier
    tensors: Arrays = {"w": dead(normal(4, 3, 3, 3), 0, 3), "dw": normal(width, 1, 3, 3)}
    tensors["dw"] = dead(tensors["dw"], *range(multiplier), *range(3 * multiplier, width))
    nodes = [
        conv("input w", "c"),
        conv("c dw", "d", group=4),
        node("ReduceMean", "d axes", "mean", keepdims=0),
        node("Gemm", "mean fc", "logits"),
    ]
    model = make_model(nodes, {**tensors, "axes": np.array([-1, -2]), "fc": normal(width, 5)})
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned)["dw"] == (2 * multiplier, 1, 3, 3)
    group = next(a.i for n in pruned.graph.node if n.name == "d" for a in n.attribute if a.name == "group")
    assert group == 2
    expect_same_logits(model, pruned, run, images)


def test_a_gate_per_channel_follows(make_model: MakeModel, run: Runner, images: NDArray[np.float32]) -> None:
    tensors: Arrays = {"w": dead(normal(4, 3, 3, 3), 0, 3), "squeeze": dead(normal(2, 4, 1, 1), 1)}
    tensors |= {"expand": dead(normal(4, 2, 1, 1), 0, 3), "bias": dead(normal(4), 0, 3)}
    nodes = [
        conv("input w", "c"),
        node("GlobalAveragePool", "c", "p"),
        node("Conv", "p squeeze", "s"),
        node("Relu", "s", "sr"),
        node("Conv", "sr expand bias", "e"),
        node("Sigmoid", "e", "gate"),
        node("Mul", "c gate", "gated"),
        *head("gated", 4, tensors),
    ]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned)["squeeze"] == (1, 2, 1, 1)
    assert shapes(pruned)["expand"] == (2, 1, 1, 1)
    expect_same_logits(model, pruned, run, images)


def test_transposed_convolutions_are_pruned_too(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32]
) -> None:
    up = normal(4, 6, 2, 2)
    up[:, [0, 2, 3]] = 0
    tensors: Arrays = {"w": dead(normal(4, 3, 3, 3), 0, 3), "up": up}
    nodes = [conv("input w", "c"), node("ConvTranspose", "c up", "u", strides=[2, 2]), *head("u", 6, tensors)]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned)["up"] == (2, 3, 2, 2)
    expect_same_logits(model, pruned, run, images)


def test_a_vector_that_layers_share_does_not_tie_them(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32]
) -> None:
    tensors: Arrays = {"w1": dead(normal(4, 3, 3, 3), 0, 1), "w2": dead(normal(4, 4, 3, 3), 2, 3)}
    tensors["zeros"] = np.zeros(4, np.float32)
    nodes = [conv("input w1 zeros", "a"), conv("a w2 zeros", "b"), *head("b", 4, tensors)]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    np.testing.assert_array_equal(values(pruned, "w2"), values(model, "w2")[[0, 1]][:, [2, 3]])
    expect_same_logits(model, pruned, run, images)


def test_a_weight_that_layers_share_is_pruned_as_one(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32]
) -> None:
    # Applied twice, the weight's input channels are its own output channels: they go together.
    tensors: Arrays = {"stem": dead(normal(4, 3, 3, 3), 1, 2), "w": dead(normal(4, 4, 3, 3), 1, 2)}
    nodes = [conv("input stem", "s"), conv("s w", "a"), conv("a w", "b"), *head("b", 4, tensors)]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned) == {"stem": (2, 3, 3, 3), "w": (2, 2, 3, 3), "fc": (5, 2)}
    expect_same_logits(model, pruned, run, images)


def test_a_shared_weight_ties_its_inputs_to_its_outputs(make_model: MakeModel) -> None:
    tensors: Arrays = {"stem": normal(8, 3, 3, 3), "w": normal(8, 8, 3, 3)}
    nodes = [conv("input stem", "s"), conv("s w", "a"), conv("a w", "b"), *head("b", 8, tensors)]
    model = make_model(nodes, tensors)
    pruned, kept = structured_pruned(model, LAYER), channel_plan(model, LAYER).remaining
    assert kept["stem"] == kept["w"]
    places = list(kept["w"])
    np.testing.assert_array_equal(values(pruned, "w"), tensors["w"][places][:, places])


def test_channels_tied_to_a_joined_input_stay(make_model: MakeModel, run: Runner, images: NDArray[np.float32]) -> None:
    tensors: Arrays = {"x": normal(2, 3, 3, 3), "y": dead(normal(5, 3, 3, 3), 0, 2, 3, 4)}
    nodes = [
        conv("input y", "yc"),
        conv("input x", "xc"),
        node("Concat", "xc input", "joined", axis=1),
        node("Add", "yc joined", "sum"),
        *head("sum", 5, tensors),
    ]
    model = make_model(nodes, tensors)
    plan = channel_plan(model, LAYER)
    # The last three of y's channels meet the picture itself.
    assert plan.remaining["y"][-3:] == (2, 3, 4)
    assert plan.after == {"y": 4, "x": 1}
    assert run(structured_pruned(model, LAYER), images).shape == (12, 5)


# ------------------------------------------------------------------------------------- what must stay whole


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (node("Softmax", "c", "d", axis=1), "Softmax 'd': not an operator whose channels can be followed"),
        (node("LRN", "c", "d", size=3), "LRN 'd': not an operator"),
        (node("Conv", "c grouped", "d", group=2), "Conv 'd': a grouped convolution"),
        (node("Conv", "c computed", "d"), "Conv 'd': its weight is computed"),
        (node("Add", "c lone", "d"), "Add 'd': shapes broadcast over channels"),
        (node("Add", "c input1", "d"), "Add 'd': channels meet 'input1', which has none"),
        (node("Reshape", "c split", "d"), "Reshape 'd': channels are split or merged"),
        (node("ReduceMean", "c channels", "d"), "ReduceMean 'd': its axes are not all behind the channels"),
        (node("Concat", "c c", "d", axis=3), "Concat 'd': joined along another axis"),
    ],
)
def test_a_path_through_something_unknown_is_left_whole(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32], between: onnx.NodeProto, reason: str
) -> None:
    tensors: Arrays = {"free": normal(4, 3, 3, 3), "held": normal(4, 3, 3, 3), "one": normal(1, 3, 1, 1)}
    tensors |= {"grouped": normal(4, 2, 1, 1), "stored": normal(4, 4, 1, 1)}
    tensors |= {"split": np.array([0, 2, 2, -1]), "channels": np.array([1]), "starts": np.array([0])}
    extra = [
        node("Identity", "stored", "computed"),
        node("Conv", "input one", "lone"),
        node("Slice", "input starts channels channels", "input1"),
    ]
    nodes = [*extra, conv("input free", "f"), conv("input held", "c"), between]
    nodes += [node("GlobalAveragePool", "f", "fp"), node("Flatten", "fp", "ff"), node("Gemm", "ff fc", "left")]
    nodes += [
        node("ReduceMean", "d", "total"),
        node("Reshape", "total whole", "right"),
        node("Add", "left right", "logits"),
    ]
    model = make_model(nodes, {**tensors, "fc": normal(4, 5), "whole": np.array([1, 1])})
    plan = channel_plan(model, LAYER)
    pruned = structured_pruned(model, LAYER)
    assert plan.left_whole["held"].startswith(reason)
    assert shapes(pruned)["held"] == (4, 3, 3, 3)
    assert shapes(pruned)["free"] == (2, 3, 3, 3)
    assert run(pruned, images).shape == (12, 5)


def test_a_weight_used_as_a_plain_tensor_elsewhere_is_left_whole(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32]
) -> None:
    tensors: Arrays = {"w": normal(4, 3, 3, 3), "free": normal(4, 4, 3, 3)}
    nodes = [conv("input w", "c"), conv("c free", "f"), *head("f", 4, tensors)]
    nodes[-1].name = nodes[-1].output[0] = "plain"
    nodes += [node("ReduceSum", "w", "total", keepdims=0), node("Mul", "plain total", "logits")]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned) == {"w": (4, 3, 3, 3), "free": (2, 4, 3, 3), "fc": (5, 2)}
    assert "uses it whole" in channel_plan(model, LAYER).left_whole["w"]
    assert run(pruned, images).shape == (12, 5)


def test_what_a_subgraph_takes_from_outside_is_left_whole(
    make_model: MakeModel, run: Runner, images: NDArray[np.float32]
) -> None:
    branches = {
        name: helper.make_graph(
            [node(op, "c", f"{name}_out")], name, [], [helper.make_tensor_value_info(f"{name}_out", 1, None)]
        )
        for name, op in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    tensors: Arrays = {"w": normal(4, 3, 3, 3), "free": normal(4, 4, 3, 3), "yes": np.ones((), np.bool_)}
    nodes = [conv("input w", "c"), node("If", "yes", "d", **branches), conv("d free", "f"), *head("f", 4, tensors)]
    model = make_model(nodes, tensors)
    pruned = structured_pruned(model, LAYER)
    assert shapes(pruned)["w"] == (4, 3, 3, 3)
    assert shapes(pruned)["free"] == (2, 4, 3, 3)
    assert run(pruned, images).shape == (12, 5)


def test_the_classes_are_never_removed(make_model: MakeModel) -> None:
    tensors: Arrays = {"w": normal(4, 3, 3, 3), "classes": normal(5, 4, 1, 1)}
    nodes = [
        conv("input w", "c"),
        node("Conv", "c classes", "d"),
        node("GlobalAveragePool", "d", "p"),
        node("Flatten", "p", "logits"),
    ]
    model = make_model(nodes, tensors)
    assert channel_plan(model, LAYER).left_whole == {"classes": "output 'logits'"}
    assert shapes(structured_pruned(model, LAYER)) == {"w": (2, 3, 3, 3), "classes": (5, 2, 1, 1)}


# ---------------------------------------------------------------------------------------- how many, and which


@pytest.fixture(scope="session")
def chain(make_model: MakeModel) -> onnx.ModelProto:
    """Two layers of 10 filters; those of the first are much smaller, and differ less among themselves."""
    first = np.ones((10, 3, 3, 3), np.float32) * np.linspace(0.010, 0.011, 10, dtype=np.float32).reshape(10, 1, 1, 1)
    second = np.ones((10, 10, 3, 3), np.float32) * np.linspace(0.1, 1.9, 10, dtype=np.float32).reshape(10, 1, 1, 1)
    tensors: Arrays = {"first.weight": first, "second.weight": second}
    nodes = [conv("input first.weight", "a"), conv("a second.weight", "b"), *head("b", 10, tensors)]
    return make_model(nodes, tensors)


def test_layer_scope_takes_its_share_of_every_layer(chain: onnx.ModelProto) -> None:
    plan = channel_plan(chain, StructuredOptions(fraction=0.39, scope="layer", multiple=1))
    assert plan.before == {"first.weight": 10, "second.weight": 10}
    assert plan.after == {"first.weight": 7, "second.weight": 7}


def test_global_scope_compares_norms_within_their_layer(chain: onnx.ModelProto) -> None:
    plan = channel_plan(chain, StructuredOptions(fraction=0.25, scope="global", multiple=1))
    assert plan.after == {"first.weight": 10, "second.weight": 5}


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("least", [1, 4])
def test_every_layer_keeps_the_least_number(chain: onnx.ModelProto, scope: str, least: int) -> None:
    plan = channel_plan(chain, StructuredOptions(fraction=0.99, scope=scope, least=least, multiple=1))
    assert min(plan.after.values()) == least


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize(("multiple", "after"), [(1, 5), (2, 6), (4, 6), (5, 6)])
def test_every_pruned_layer_keeps_a_multiple(chain: onnx.ModelProto, scope: str, multiple: int, after: int) -> None:
    plan = channel_plan(chain, StructuredOptions(fraction=0.5, scope=scope, multiple=multiple))
    assert all(count % 2 == 0 or multiple == 1 for count in plan.after.values())
    if scope == "layer":
        assert plan.remaining["first.weight"] == tuple(range(10 - after, 10))


def test_the_plan_names_the_filters_that_stay(chain: onnx.ModelProto) -> None:
    plan = channel_plan(chain, LAYER)
    for name, places in plan.remaining.items():
        np.testing.assert_array_equal(
            values(structured_pruned(chain, LAYER), name)[:, 0, 0, 0], values(chain, name)[list(places), 0, 0, 0]
        )


def test_an_excluded_weight_keeps_its_filters(chain: onnx.ModelProto) -> None:
    options = StructuredOptions(fraction=0.5, scope="layer", multiple=1, exclude=("second*",))
    pruned = structured_pruned(chain, options)
    assert shapes(pruned)["first.weight"] == (5, 3, 3, 3)
    assert shapes(pruned)["second.weight"] == (10, 5, 3, 3)
    assert channel_plan(chain, options).left_whole == {"second.weight": "excluded"}


def test_fraction_zero_changes_no_weight(chain: onnx.ModelProto) -> None:
    assert shapes(structured_pruned(chain, StructuredOptions(fraction=0.0))) == shapes(chain)


def test_nothing_shows_but_the_recipe(chain: onnx.ModelProto) -> None:
    before = model_bytes(chain)
    options = StructuredOptions(fraction=0.5, scope="layer", multiple=1, exclude=("first*",))
    pruned = structured_pruned(chain, options)
    assert model_bytes(chain) == before
    assert model_bytes(structured_pruned(chain, options)) == model_bytes(pruned)
    assert len(model_bytes(pruned)) < len(before)
    found = read_embedded(pruned)
    assert found.parent_sha256 == model_sha256(chain)
    assert found.recipe[-1].name == "prune-structured"
    assert found.recipe[-1].options == {
        "fraction": 0.5,
        "scope": "layer",
        "least": 1,
        "multiple": 1,
        "exclude": ["first*"],
        "filters_removed": 5,
        "left_whole": ["first.weight"],
    }
    fields = {"fraction": 0.5, "scope": "layer", "multiple": 1, "exclude": ("first*",)}
    assert compress(chain, fields, None) == pruned


def test_intermediate_shapes_are_inferred_anew(chain: onnx.ModelProto) -> None:
    pruned = structured_pruned(onnx.shape_inference.infer_shapes(chain), LAYER)
    found = {value.name: value.type.tensor_type.shape.dim[1].dim_value for value in pruned.graph.value_info}
    assert found["a"] == found["b"] == 5


# --------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_out_of_bounds_is_refused(fraction: float) -> None:
    with pytest.raises(OptionError, match=r"fraction at least 0\.0 and below 1\.0"):
        StructuredOptions(fraction=fraction)


def test_no_channel_at_least_is_refused() -> None:
    with pytest.raises(OptionError, match="least at least 1"):
        StructuredOptions(least=0)


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean layer"):
        StructuredOptions(scope="layr")


def test_a_pattern_without_a_match_is_refused(chain: onnx.ModelProto) -> None:
    with pytest.raises(OptionError, match=r"got 'frst\.weigh\*' \(--exclude\)\. Did you mean first\.weight"):
        structured_pruned(chain, StructuredOptions(exclude=("frst.weigh*",)))


def test_a_model_without_convolutions_is_refused(make_model: MakeModel) -> None:
    model = make_model([node("Flatten", "input", "f"), node("MatMul", "f m", "logits")], {"m": normal(192, 5)})
    with pytest.raises(ModelError, match=r"whose channels can be removed, got none \(no convolution\)"):
        structured_pruned(model, LAYER)


def test_a_model_whose_channels_must_all_stay_is_refused_with_the_reasons(make_model: MakeModel) -> None:
    tensors: Arrays = {"w": normal(5, 3, 3, 3)}
    nodes = [conv("input w", "c"), node("GlobalAveragePool", "c", "p"), node("Flatten", "p", "logits")]
    with pytest.raises(ModelError, match=r"got none \(w: output 'logits'\) \(a\.onnx\)"):
        structured_pruned(make_model(nodes, tensors), LAYER, where="a.onnx")


def test_a_fraction_below_one_channel_is_refused(chain: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match=r"got none at fraction 0\.05, .*Ask for a larger fraction"):
        structured_pruned(chain, StructuredOptions(fraction=0.05, scope="layer", multiple=1))


def test_a_quantized_model_is_refused(chain: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(chain)
    model.graph.node.append(helper.make_node("DequantizeLinear", ["x", "s"], ["y"]))
    with pytest.raises(ModelError, match=r"float model to prune, got a quantized one.*Prune first"):
        structured_pruned(model, LAYER)


def test_weights_that_are_no_numbers_are_refused(make_model: MakeModel) -> None:
    tensors: Arrays = {"w": normal(4, 3, 3, 3)}
    tensors["w"][2, 1, 0, 0] = np.inf
    model = make_model([conv("input w", "c"), *head("c", 4, tensors)], tensors)
    with pytest.raises(ModelError, match="finite weights, got NaN or infinity in 'w'"):
        structured_pruned(model, LAYER)
