from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

from compress_onnx.errors import ModelError, UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.ort.integer.emulation import EmulatedModel, fused  # noqa: E402
from compress_onnx.saliency.twin import build_twin, fixed_batch  # noqa: E402
from tests.saliency.small_models import CLASSES, head, head_weight, input_gradient, logits, model_of  # noqa: E402


def relative_error(expected: Any, got: Any) -> float:
    return float(np.abs(expected - got).max() / np.abs(expected).max())


@pytest.mark.parametrize("optimized", [True, False])
def test_a_float_twin_gives_the_logits_of_onnx_runtime(small: Any, runtime: Any, *, optimized: bool) -> None:
    expected = runtime(small.model, small.images, optimized=optimized)
    assert relative_error(expected, logits(build_twin(small.model), small.images)) < 1e-5


def test_a_float_twin_has_the_gradients_of_the_original_module(small: Any) -> None:
    targets = np.arange(len(small.images)) % CLASSES
    expected = input_gradient(small.module, small.images, targets)
    got = input_gradient(build_twin(small.model), small.images, targets)
    assert relative_error(expected, got) < 1e-3


@pytest.mark.cpu
@pytest.mark.parametrize("optimized", [True, False])
@pytest.mark.parametrize("form", ["quantized", "stored_in_4_bits"])
def test_a_quantized_twin_predicts_what_onnx_runtime_predicts(
    request: pytest.FixtureRequest, small: Any, runtime: Any, form: str, *, optimized: bool
) -> None:
    model = request.getfixturevalue(form)
    expected = runtime(model, small.images, optimized=optimized)
    # Without the optimizer Q/DQ nodes stay apart and products are float: nothing saturates on any CPU.
    got = logits(build_twin(model, saturating=None if optimized else False), small.images)
    # A sum that lies on the edge of two integers may be rounded to the other one: a step, no more.
    step = np.diff(np.unique(got)).min()
    assert (expected.argmax(axis=1) == got.argmax(axis=1)).all()
    assert np.abs(expected - got).max() <= 1.01 * step


@pytest.mark.parametrize("saturating", [True, False])
@pytest.mark.parametrize("form", ["quantized", "integer_only"])
def test_a_twin_computes_what_either_kind_of_cpu_computes(
    request: pytest.FixtureRequest, small: Any, form: str, *, saturating: bool
) -> None:
    model = request.getfixturevalue(form)
    cpu = EmulatedModel(fused(model), saturating=saturating)
    expected = cpu.logits(small.images)
    got = logits(build_twin(model, saturating=saturating), small.images)
    assert (expected.argmax(axis=1) == got.argmax(axis=1)).all()
    assert np.abs(expected - got).max() <= 1.01 * np.diff(np.unique(expected)).min()
    other = logits(build_twin(model, saturating=not saturating), small.images)
    assert (expected.argmax(axis=1) != other.argmax(axis=1)).any()


def test_the_gradient_of_a_quantized_twin_is_close_to_the_float_one(small: Any, quantized: Any) -> None:
    targets = np.zeros(len(small.images), dtype=np.int64)
    expected = input_gradient(small.module, small.images, targets)
    # On exact sums: what saturation changes is no matter of quantization.
    got = input_gradient(build_twin(quantized, saturating=False), small.images, targets)
    assert np.corrcoef(expected.ravel(), got.ravel())[0, 1] > 0.95


def test_any_batch_gives_the_same_rows(small: Any, quantized: Any) -> None:
    twin = build_twin(quantized)
    whole = logits(twin, small.images[:7])
    single = np.concatenate([logits(twin, small.images[i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(whole, single, atol=1e-5)


def test_modules_carry_the_names_of_the_nodes_so_that_hooks_find_them(small: Any) -> None:
    twin = build_twin(small.model)
    assert [name for name, _ in twin.named_children()] == [
        "_0_Conv",
        "_1_Relu",
        "_2_MaxPool",
        "_3_Conv",
        "_4_BatchNormalization",
        "_5_Relu",
        "_6_Flatten",
        "_7_Gemm",
    ]
    seen: list[Any] = []
    handle = twin.get_submodule("_3_Conv").register_forward_hook(lambda *_: seen.append(1))
    logits(twin, small.images[:2])
    handle.remove()
    assert seen == [1]


@pytest.mark.parametrize("name", ["class", "forward", "meta", "graph", "training", "with space", "ä", "1.0", ""])
def test_any_node_name_becomes_a_module_and_equal_names_stay_apart(name: str) -> None:
    nodes = [
        helper.make_node("Relu", ["input"], ["a"], name),
        helper.make_node("Sigmoid", ["a"], ["b"], name),
        *head("b"),
    ]
    twin = build_twin(model_of(nodes, head_weight()))
    names = [child for child, _ in twin.named_children()]
    assert len(set(names)) == 4
    assert all(child.isidentifier() for child in names)
    assert logits(twin, np.ones((2, 3, 4, 4), np.float32)).shape == (2, CLASSES)


def test_building_leaves_the_model_and_the_random_generator_alone(small: Any) -> None:
    before, state = small.model.SerializeToString(), torch.random.get_rng_state()
    build_twin(small.model)
    assert small.model.SerializeToString() == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_shapes_that_depend_on_the_batch_are_computed_while_the_twin_runs(runtime: Any) -> None:
    constants = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    nodes = [
        helper.make_node("Shape", ["input"], ["shape"], "shape"),
        helper.make_node("Gather", ["shape", "zero"], ["n"], "n"),
        helper.make_node("Unsqueeze", ["n", "axes"], ["n1"], "n1"),
        helper.make_node("Concat", ["n1", "rest"], ["target"], "target", axis=0),
        helper.make_node("Reshape", ["input", "target"], ["flat"], "view"),
        helper.make_node("MatMul", ["flat", "head"], ["logits"], "head"),
    ]
    model = model_of(nodes, *(numpy_helper.from_array(v, k) for k, v in constants.items()), head_weight())
    twin = build_twin(model)
    for batch in (1, 4):
        images = np.random.default_rng(batch).standard_normal((batch, 3, 4, 4), dtype=np.float32)
        np.testing.assert_allclose(logits(twin, images), runtime(model, images), rtol=1e-4, atol=1e-5)


def test_a_file_of_fixed_batch_says_so(small: Any) -> None:
    assert fixed_batch(build_twin(small.model)) is None
    assert fixed_batch(build_twin(model_of(head("input"), head_weight(), batch=2))) == 2


def test_functions_of_the_files_own_are_unfolded(runtime: Any) -> None:
    function = helper.make_function(
        "local", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 21)]
    )
    model = model_of([helper.make_node("Twice", ["input"], ["a"], "twice", domain="local"), *head("a")], head_weight())
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    images = np.random.default_rng(0).standard_normal((2, 3, 4, 4), dtype=np.float32)
    np.testing.assert_allclose(logits(build_twin(model), images), runtime(model, images), atol=1e-5)


def test_parts_that_the_logits_do_not_need_may_be_unsupported() -> None:
    spare = helper.make_node("NonZero", ["input"], ["spare"], "spare")
    build_twin(model_of([spare, *head("input")], head_weight()))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("NonZero", ["input"], ["a"], "nz"), r"got NonZero \(node 'nz'\)"),
        (helper.make_node("ConvInteger", ["input"], ["a"], "int"), r"got ConvInteger .*Quantize in QDQ form; saliency"),
        (helper.make_node("If", ["input"], ["a"], "branch"), r"got If, which is control flow \(node 'branch'\)"),
        (helper.make_node("Scan", ["input"], ["a"], "scan"), r"got Scan, which is control flow"),
        (
            helper.make_node("QLinearConv", ["input"], ["a"], "q", domain="com.microsoft", channels_last=1),
            "got QLinearConv with channels_last",
        ),
        (helper.make_node("NhwcMaxPool", ["input"], ["a"], "n", domain="com.microsoft"), "com.microsoft::NhwcMaxPool"),
        (helper.make_node("MaxPool", ["input"], ["a", "i"], "p", kernel_shape=[1, 1, 1]), "3 spatial dimensions"),
        (helper.make_node("Conv", ["input", "input"], ["a"], "c"), "Conv with input 1 that is computed"),
        (helper.make_node("Pad", ["input", "head"], ["a"], "p", mode="other"), "Pad with mode other"),
        (helper.make_node("Cast", ["input"], ["a"], "c", to=TensorProto.INT4), "Cast with target type int4"),
    ],
)
def test_an_unsupported_operator_is_one_sentence_naming_operator_and_node(node: onnx.NodeProto, message: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=message):
        build_twin(model_of([node, *head("a")], head_weight()))


def test_an_output_beyond_the_first_that_is_used_is_refused() -> None:
    nodes = [
        helper.make_node("MaxPool", ["input"], ["a", "places"], "pool", kernel_shape=[1, 1]),
        helper.make_node("Cast", ["places"], ["b"], "b", to=TensorProto.FLOAT),
        *head("b"),
    ]
    with pytest.raises(UnsupportedOperatorError, match="more than its first output"):
        build_twin(model_of(nodes, head_weight()))


def test_weights_in_a_type_without_counterpart_are_refused() -> None:
    weight = helper.make_tensor("head", TensorProto.BFLOAT16, [48, CLASSES], [0.0] * 48 * CLASSES)
    with pytest.raises(UnsupportedOperatorError, match=r"got bfloat16 .*'head'"):
        build_twin(model_of(head("input"), weight))


def test_logits_that_do_not_depend_on_the_image_are_refused() -> None:
    nodes = [helper.make_node("Identity", ["fixed"], ["logits"], "id")]
    with pytest.raises(ModelError, match="logits that depend on the image"):
        build_twin(model_of(nodes, numpy_helper.from_array(np.zeros((1, CLASSES), np.float32), "fixed")))
