"""Weights that are counted otherwise than they are used, or not at all, unless one looks closely."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.pruning.structured import StructuredOptions, structured_pruned
from compress_onnx.compress.repair.reference import referenced
from compress_onnx.compress.repair.repair import repaired_towards
from compress_onnx.errors import ModelError
from compress_onnx.model.artifact import describe
from compress_onnx.model.census.census import is_quantized, weights
from compress_onnx.model.census.precision import precision_of
from compress_onnx.model.files import load_model, save_model
from compress_onnx.model.forms.normalize import normalized
from compress_onnx.model.metadata import read_embedded

MakeModel = Callable[..., onnx.ModelProto]
Array = NDArray[Any]
RNG = np.random.default_rng(17)


def _normal(*shape: int) -> Array:
    return RNG.normal(0, 0.3, shape).astype(np.float32)


M, R = _normal(192, 5), _normal(5, 5)
IMAGES = _normal(4, 3, 8, 8)
SPARSITY = 0.6
CODES = RNG.integers(0, 16, (192, 5)).astype(np.uint8)
TABLE = np.linspace(-1, 0.875, 16, dtype=np.float32)
FLAT = helper.make_node("Flatten", ["input"], ["flat"])
PRODUCT = helper.make_node("MatMul", ["flat", "m"], ["logits"])


def _counted(model: onnx.ModelProto) -> tuple[int, int]:
    found = weights(model)
    return sum(weight.elements for weight in found), sum(weight.nonzero for weight in found)


def _logits(model: onnx.ModelProto) -> Array:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.concatenate([np.asarray(session.run(None, {"input": one[None]})[0]) for one in IMAGES])


def _thinned(*arrays: Array, sparsity: float = SPARSITY) -> list[Array]:
    """Return the arrays with the smallest of all their numbers zero, those given as zeros with them."""
    flat = np.concatenate([np.abs(one).ravel() for one in arrays])
    bound = np.sort(flat)[int(sparsity * flat.size) - 1]
    return [np.where(np.abs(one) <= bound, np.float32(0), one) for one in arrays]


def _value(name: str, kind: int = TensorProto.FLOAT, shape: list[Any] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _loop(make_model: MakeModel, matrix: Array, inner: Array) -> onnx.ModelProto:
    """h = tanh(h r + x) from h = 0, three times, with x = flat m."""
    nodes = [
        helper.make_node("Identity", ["go"], ["going"]),
        helper.make_node("MatMul", ["state", "r"], ["turned"]),
        helper.make_node("Add", ["turned", "x"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["next"]),
    ]
    inputs = [_value("turn", TensorProto.INT64, []), _value("go", TensorProto.BOOL, []), _value("state")]
    outputs = [_value("going", TensorProto.BOOL, []), _value("next")]
    body = helper.make_graph(nodes, "body", inputs, outputs, [numpy_helper.from_array(inner, "r")])
    return make_model(
        [
            FLAT,
            helper.make_node("MatMul", ["flat", "m"], ["x"]),
            helper.make_node("Loop", ["turns", "", "zeros"], ["logits"], "loop", body=body),
        ],
        {"m": matrix, "turns": np.array(3), "zeros": np.zeros((1, 5), np.float32)},
    )


def _scan(make_model: MakeModel, matrix: Array, inner: Array) -> onnx.ModelProto:
    """The same as a Scan over one step."""
    nodes = [
        helper.make_node("MatMul", ["state", "r"], ["turned"]),
        helper.make_node("Add", ["turned", "x"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["next"]),
        helper.make_node("Identity", ["next"], ["seen"]),
    ]
    body = helper.make_graph(
        nodes,
        "body",
        [_value("state"), _value("x")],
        [_value("next"), _value("seen")],
        [numpy_helper.from_array(inner, "r")],
    )
    return make_model(
        [
            FLAT,
            helper.make_node("MatMul", ["flat", "m"], ["x0"]),
            helper.make_node("Unsqueeze", ["x0", "axes"], ["steps"]),
            helper.make_node("Scan", ["zeros", "steps"], ["logits", "all"], "scan", num_scan_inputs=1, body=body),
        ],
        {"m": matrix, "axes": np.array([0]), "zeros": np.zeros((1, 5), np.float32)},
    )


def _carried(make_model: MakeModel, matrix: Array, inner: Array, *, inside: bool) -> onnx.ModelProto:
    """A loop that hands the matrix r on from turn to turn, and uses it in its body or leaves that to what comes after."""
    step = helper.make_node("MatMul" if inside else "Relu", ["state", "held"] if inside else ["state"], ["next"])
    nodes = [
        helper.make_node("Identity", ["go"], ["going"]),
        step,
        helper.make_node("Identity", ["held"], ["kept"]),
    ]
    inputs = [_value("turn", TensorProto.INT64, []), _value("go", TensorProto.BOOL, []), _value("state")]
    outputs = [_value("going", TensorProto.BOOL, []), _value("next"), _value("kept")]
    body = helper.make_graph(nodes, "body", [*inputs, _value("held")], outputs)
    ends = ["logits", "after"] if inside else ["before", "after"]
    tail = [] if inside else [helper.make_node("MatMul", ["before", "after"], ["logits"])]
    return make_model(
        [
            FLAT,
            helper.make_node("MatMul", ["flat", "m"], ["start"]),
            helper.make_node("Loop", ["turns", "", "start", "r"], ends, "loop", body=body),
            *tail,
        ],
        {"m": matrix, "r": inner, "turns": np.array(2)},
    )


RECURRENT: dict[str, Callable[[MakeModel, Array, Array], onnx.ModelProto]] = {
    "a loop that begins with zeros": _loop,
    "a scan that begins with zeros": _scan,
    "a loop that hands a matrix to its next turn": lambda make, m, r: _carried(make, m, r, inside=True),
    "a loop that hands a matrix on": lambda make, m, r: _carried(make, m, r, inside=False),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_of_a_loops_states_those_that_never_change_are_weights(make_model: MakeModel, name: str) -> None:
    model = RECURRENT[name](make_model, M, R)
    assert _counted(model) == (M.size + R.size, M.size + R.size)
    pruned = prune_model(model, PruneOptions(sparsity=SPARSITY))
    assert _counted(pruned) == (M.size + R.size, M.size + R.size - int(SPARSITY * (M.size + R.size)))
    np.testing.assert_allclose(
        _logits(pruned), _logits(RECURRENT[name](make_model, *_thinned(M, R))), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("form", ["list", "sparse"])
def test_numbers_in_a_function_called_twice_are_one_weight(make_model: MakeModel, form: str) -> None:
    places = numpy_helper.from_array(np.arange(M.size))
    held: dict[str, Any] = {"value_floats": M.ravel().tolist()}
    if form == "sparse":
        held = {"sparse_value": helper.make_sparse_tensor(numpy_helper.from_array(M.ravel()), places, [M.size])}
    nodes = [
        helper.make_node("Constant", [], ["row"], **held),
        helper.make_node("Constant", [], ["shape"], value_ints=[192, 5]),
        helper.make_node("Reshape", ["row", "shape"], ["m"]),
        helper.make_node("MatMul", ["x", "m"], ["y"]),
    ]
    model = make_model([FLAT, PRODUCT], {"m": M})
    del model.graph.node[1:], model.graph.initializer[:]
    model.graph.node.append(helper.make_node("Product", ["flat"], ["one"], domain="own"))
    model.graph.node.append(helper.make_node("Product", ["one_again"], ["logits"], domain="own"))
    model.graph.node.insert(2, helper.make_node("MatMul", ["one", "back"], ["one_again"]))
    model.graph.initializer.append(numpy_helper.from_array(M.T.copy(), "back"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    imports = [helper.make_opsetid("", model.opset_import[0].version)]
    model.functions.append(helper.make_function("own", "Product", ["x"], ["y"], nodes, imports))
    assert _counted(model) == (2 * M.size, 2 * M.size)
    pruned = prune_model(model, PruneOptions(sparsity=SPARSITY))
    assert _counted(pruned) == (2 * M.size, 2 * M.size - int(SPARSITY * 2 * M.size))
    thin, back = _thinned(M, M.T)
    flat = IMAGES.reshape(len(IMAGES), -1)
    np.testing.assert_allclose(_logits(pruned), flat @ thin @ back @ thin, rtol=1e-3, atol=1e-3)


def test_a_triangle_counts_alike_before_and_after_pruning(make_model: MakeModel) -> None:
    model = make_model([FLAT, helper.make_node("Trilu", ["s"], ["m"], upper=0), PRODUCT], {"s": M})
    assert _counted(model) == (M.size, np.count_nonzero(np.tril(M)))
    pruned = prune_model(model, PruneOptions(sparsity=SPARSITY))
    assert _counted(pruned) == (M.size, M.size - int(SPARSITY * M.size))


@pytest.mark.parametrize("basis", ["unfolded", "folded"])
@pytest.mark.parametrize("op", ["Tile", "Expand"])
def test_a_weight_that_is_there_several_times_is_in_reach(make_model: MakeModel, op: str, basis: str) -> None:
    sizes = np.array([1, 5] if op == "Tile" else [192, 5])
    column = M[:, :1].copy()
    model = make_model([FLAT, helper.make_node(op, ["s", "sizes"], ["m"]), PRODUCT], {"s": column, "sizes": sizes})
    pruned = prune_model(model, PruneOptions(sparsity=0.5, basis=basis))
    assert _counted(model)[0] == _counted(pruned)[0] == column.size
    expected = IMAGES.reshape(len(IMAGES), -1) @ np.repeat(*_thinned(column, sparsity=0.5), 5, axis=1)
    np.testing.assert_allclose(_logits(pruned), expected, rtol=1e-4, atol=1e-4)


def test_a_weight_used_turned_too_is_one_weight_after_folding(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        helper.make_node("Transpose", ["m"], ["turned"]),
        helper.make_node("MatMul", ["flat", "m"], ["few"]),
        helper.make_node("MatMul", ["few", "turned"], ["many"]),
        helper.make_node("MatMul", ["many", "m"], ["logits"]),
    ]
    pruned = prune_model(make_model(nodes, {"m": M}), PruneOptions(sparsity=SPARSITY, basis="folded"))
    assert _counted(pruned) == (M.size, M.size - int(SPARSITY * M.size))
    np.testing.assert_allclose(_logits(pruned), _logits(make_model(nodes, {"m": _thinned(M)[0]})), rtol=1e-4, atol=1e-4)


def test_integers_that_a_table_decodes_are_the_weights(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        helper.make_node("Cast", ["codes"], ["places"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "places"], ["m"]),
        PRODUCT,
    ]
    model = make_model(nodes, {"codes": CODES, "table": TABLE})
    (weight,) = weights(model)
    assert (weight.name, weight.bits) == ("codes", 8)
    assert (weight.elements, weight.nonzero) == (M.size, np.count_nonzero(TABLE[CODES]))
    assert precision_of(model) == "W8 (weight only)"
    assert is_quantized(model)


def test_weights_of_one_bit_have_a_name(make_model: MakeModel) -> None:
    nodes = [FLAT, helper.make_node("Cast", ["signs"], ["m"], to=TensorProto.FLOAT), PRODUCT]
    model = make_model(nodes, {"signs": M > 0})
    assert precision_of(model) == "W8 (weight only)"
    assert _counted(model) == (M.size, np.count_nonzero(M > 0))


def test_what_an_unknown_operator_makes_of_a_constant_is_counted_and_not_pruned(make_model: MakeModel) -> None:
    made = helper.make_node("Gelu", ["s"], ["m"], domain="com.microsoft")
    model = make_model([FLAT, made, PRODUCT], {"s": M}, domains=("com.microsoft",))
    _logits(model)
    assert _counted(model) == (M.size, M.size)
    with pytest.raises(ModelError, match=r"100\.0%: s, behind com\.microsoft\.Gelu, which is not known here \(f\.onnx"):
        prune_model(model, PruneOptions(), where="f.onnx")


def test_coefficients_in_an_attribute_are_counted_and_not_pruned(make_model: MakeModel) -> None:
    held = {"coefficients": M.T.ravel().tolist(), "intercepts": [0.0] * 5, "targets": 5}
    made = helper.make_node("LinearRegressor", ["flat"], ["logits"], "head", domain="ai.onnx.ml", **held)
    model = make_model([FLAT, made], {}, domains=("ai.onnx.ml",))
    np.testing.assert_allclose(_logits(model), IMAGES.reshape(len(IMAGES), -1) @ M, rtol=1e-4, atol=1e-4)
    (weight,) = weights(model)
    assert (weight.name, weight.shape, weight.elements) == ("head.coefficients", (5, 192), M.size)
    with pytest.raises(ModelError, match=r"100\.0%: head\.coefficients, an attribute of LinearRegressor"):
        prune_model(model, PruneOptions(), where="f.onnx")


def test_one_hot_rows_are_counted_with_a_depth_of_either_shape(make_model: MakeModel) -> None:
    places = RNG.integers(-5, 5, 192)
    tensors: dict[str, Array] = {"places": places, "values": np.array([0, 2], np.float32)}
    for depth in (np.array(5), np.array([5])):
        nodes = [FLAT, helper.make_node("OneHot", ["places", "depth", "values"], ["m"]), PRODUCT]
        model = make_model(nodes, tensors | {"depth": depth})
        assert _counted(model) == (M.size, 192)
        np.testing.assert_allclose(_logits(normalized(model)), _logits(model), rtol=1e-5, atol=1e-5)


def test_values_that_cannot_be_known_are_told_and_refused(make_model: MakeModel, tmp_path: Path) -> None:
    nodes = [
        FLAT,
        helper.make_node("SplitToSequence", ["s", "sizes"], ["parts"], axis=0),
        helper.make_node("SequenceAt", ["parts", "first"], ["m"]),
        PRODUCT,
        helper.make_node("MatMul", ["logits0", "r"], ["logits"]),
    ]
    nodes[3] = helper.make_node("MatMul", ["flat", "m"], ["logits0"])
    tensors = {"s": np.vstack([M, R]), "sizes": np.array([192, 5]), "first": np.array(0), "r": R}
    model = make_model(nodes, tensors)
    np.testing.assert_allclose(_logits(model), IMAGES.reshape(len(IMAGES), -1) @ M @ R, rtol=1e-4, atol=1e-4)
    save_model(model, tmp_path / "parts.onnx")
    artifact = describe(tmp_path / "parts.onnx", name="parts", shown_path="parts.onnx")
    assert artifact.weights == R.size
    assert artifact.warnings == ("Weights not counted, since what makes them is not known here: m, of MatMul.",)
    with pytest.raises(ModelError, match=r"an unknown share: m, made by SequenceAt when the model is loaded"):
        prune_model(model, PruneOptions(), where="parts.onnx")


def test_numbers_written_as_text_are_weights_of_bytes(make_model: MakeModel, tmp_path: Path) -> None:
    written = helper.make_tensor("text", TensorProto.STRING, M.shape, [str(one).encode() for one in np.rint(M).ravel()])
    nodes = [FLAT, helper.make_node("Cast", ["text"], ["m"], to=TensorProto.FLOAT), PRODUCT]
    save_model(make_model(nodes, {"text": written}), tmp_path / "text.onnx")
    artifact = describe(tmp_path / "text.onnx", name="text", shown_path="text.onnx")
    assert (artifact.weights, artifact.nonzero_weights) == (M.size, np.count_nonzero(np.rint(M)))
    assert artifact.precision == "W8 (weight only)"


def test_a_weight_keeps_its_name_when_its_nodes_are_folded(make_model: MakeModel) -> None:
    nodes = [FLAT, helper.make_node("Transpose", ["head.weight"], ["onnx::MatMul_9"])]
    nodes.append(helper.make_node("MatMul", ["flat", "onnx::MatMul_9"], ["few"]))
    nodes.append(helper.make_node("MatMul", ["few", "last"], ["logits"]))
    model = make_model(nodes, {"head.weight": M.T.copy(), "last": R})
    # What shape inference wrote of the old orientation must not outlive it.
    model.graph.value_info.extend([_value("head.weight", shape=[5, 192]), _value("onnx::MatMul_9", shape=[192, 5])])
    pruned = prune_model(model, PruneOptions(sparsity=SPARSITY, exclude=("head.*",)))
    onnx.checker.check_model(pruned, full_check=True)
    assert [weight.name for weight in weights(pruned)] == [weight.name for weight in weights(model)]
    assert _counted(pruned) == (M.size + R.size, M.size + R.size - int(SPARSITY * R.size))
    flat = IMAGES.reshape(len(IMAGES), -1)
    np.testing.assert_allclose(_logits(pruned), flat @ M @ _thinned(R)[0], rtol=1e-4, atol=1e-4)


def test_names_of_tensors_that_are_made_into_several_stay_apart(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        helper.make_node("Split", ["both", "sizes"], ["m", "r"], axis=0),
        helper.make_node("MatMul", ["flat", "m"], ["few"]),
        helper.make_node("MatMul", ["few", "r"], ["logits"]),
    ]
    model = make_model(nodes, {"both": np.vstack([M, R]), "sizes": np.array([192, 5])})
    pruned = prune_model(model, PruneOptions(sparsity=SPARSITY))
    assert [weight.name for weight in weights(pruned)] == ["m", "r"]
    thin, inner = _thinned(M, R)
    flat = IMAGES.reshape(len(IMAGES), -1)
    np.testing.assert_allclose(_logits(pruned), flat @ thin @ inner, rtol=1e-4, atol=1e-4)


def test_a_name_that_hides_another_is_refused_at_the_door(make_model: MakeModel, tmp_path: Path) -> None:
    """The runtime reads either tensor there, by how far it optimizes: 12 of 12 logits differ."""

    def branch(name: str, *tensors: onnx.TensorProto) -> onnx.GraphProto:
        product = helper.make_node("MatMul", ["flat", "m"], [f"{name}_out"])
        return helper.make_graph([product], name, [], [_value(f"{name}_out")], tensors)

    def model(inner: str) -> onnx.ModelProto:
        hidden = branch("then", numpy_helper.from_array(-M, inner))
        hidden.node[0].input[1] = inner
        nodes = [
            FLAT,
            helper.make_node("Identity", ["s"], ["m"]),
            helper.make_node("ReduceMax", ["flat"], ["top"], keepdims=0),
            helper.make_node("Less", ["top", "bound"], ["small"]),
            helper.make_node("If", ["small"], ["logits"], "choice", then_branch=hidden, else_branch=branch("other")),
        ]
        return make_model(nodes, {"s": M, "bound": np.array(1e9, np.float32)})

    path = tmp_path / "hides.onnx"
    onnx.save(model("m"), path)
    said = r"a name means one thing, got 'm' in then_branch of If 'choice' and outside it \(.*hides\.onnx\)\. Rename"
    with pytest.raises(ModelError, match=said):
        load_model(path)
    onnx.save(model("other"), path)
    assert _counted(load_model(path)) == (2 * M.size, 2 * M.size)


def test_a_list_that_two_layers_read_is_one_weight_after_structured_pruning(make_model: MakeModel) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "c"], ["more"], pads=[1] * 4),
        helper.make_node("Conv", ["more", "d"], ["three"], pads=[1] * 4),
        helper.make_node("Flatten", ["three"], ["flat"]),
        helper.make_node("Reshape", ["row", "shape"], ["m"]),
        helper.make_node("Reshape", ["row", "shape"], ["n"]),
        helper.make_node("MatMul", ["flat", "m"], ["one"]),
        helper.make_node("Neg", ["flat"], ["other"]),
        helper.make_node("MatMul", ["other", "n"], ["two"]),
        helper.make_node("Sub", ["one", "two"], ["logits"]),
    ]
    tensors = {"c": _normal(8, 3, 3, 3), "d": _normal(3, 8, 3, 3), "row": M.ravel(), "shape": np.array([192, 5])}
    model = make_model(nodes, tensors)
    assert _counted(model)[0] == 216 + 216 + M.size
    assert _counted(structured_pruned(model, StructuredOptions(fraction=0.5)))[0] == 108 + 108 + M.size


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_layers_of_other_floats_are_pruned_and_not_repaired(make_model: MakeModel, kind: int) -> None:
    wide = M.astype(helper.tensor_dtype_to_np_dtype(kind))
    nodes = [
        FLAT,
        helper.make_node("Cast", ["flat"], ["narrow"], to=kind),
        helper.make_node("MatMul", ["narrow", "m"], ["few"]),
        helper.make_node("Cast", ["few"], ["logits"], to=TensorProto.FLOAT),
    ]
    model = make_model(nodes, {"m": wide})
    with referenced(model, lambda: [_normal(32, 3, 8, 8)]) as reference:
        pruned = prune_model(model, PruneOptions(sparsity=SPARSITY))
        found = repaired_towards(reference, pruned)
    assert _counted(found.model) == (M.size, M.size - int(SPARSITY * M.size))
    assert _logits(found.model).tolist() == _logits(pruned).tolist()


def test_an_empty_weight_is_no_layer_to_repair(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        helper.make_node("Slice", ["flat", "none", "none", "axis"], ["nothing"]),
        helper.make_node("MatMul", ["nothing", "empty"], ["zero"]),
        helper.make_node("MatMul", ["flat", "m"], ["few"]),
        helper.make_node("Add", ["few", "zero"], ["logits"]),
    ]
    tensors = {"none": np.array([0]), "axis": np.array([1]), "empty": np.zeros((0, 5), np.float32), "m": M}
    model = make_model(nodes, tensors)
    with referenced(model, lambda: [_normal(32, 3, 8, 8)]) as reference:
        found = repaired_towards(reference, prune_model(model, PruneOptions(sparsity=SPARSITY)))
    assert _counted(found.model) == (M.size, M.size - int(SPARSITY * M.size))


def test_every_recipe_says_nothing_where_nothing_was_missed(make_model: MakeModel) -> None:
    pruned = prune_model(_loop(make_model, M, R), PruneOptions(sparsity=SPARSITY))
    assert "not_reached" not in read_embedded(pruned).recipe[-1].options
