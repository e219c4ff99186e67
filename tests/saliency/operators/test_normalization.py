"""Normalizations against ONNX's reference and ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.normalization import CONVERTERS, BatchNorm  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((2, 4, 5, 6)).astype(np.float32) * 3 + 1
SCALE, SHIFT, MEAN = (RNG.standard_normal(4).astype(np.float32) for _ in range(3))
VARIANCE = RNG.random(4).astype(np.float32) + 0.1
ARRAYS = {"x": IMAGES, "scale": SCALE, "shift": SHIFT, "mean": MEAN, "variance": VARIANCE}


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(CONVERTERS))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)


@pytest.mark.parametrize("attributes", [{}, {"epsilon": 0.5}])
def test_a_batch_norm_uses_the_stored_statistics(like_reference: Any, attributes: dict[str, float]) -> None:
    like_reference(helper.make_node("BatchNormalization", list(ARRAYS), ["y"], **attributes), ARRAYS)


def test_a_batch_norm_gives_a_sample_the_same_alone_and_among_others_even_in_training_mode() -> None:
    scale, shift, mean, variance = (torch.from_numpy(ARRAYS[name]) for name in ("scale", "shift", "mean", "variance"))
    module = BatchNorm(scale, shift, [mean, variance], 1e-5).train()
    images = torch.from_numpy(IMAGES)
    np.testing.assert_allclose(module(images)[:1].numpy(), module(images[:1]).numpy(), rtol=1e-6)
    assert torch.equal(module.get_buffer("mean"), torch.from_numpy(MEAN))


def test_statistics_are_no_weights_that_could_be_drawn_anew(module_of: Any) -> None:
    module = module_of(helper.make_node("BatchNormalization", list(ARRAYS), ["y"]), ARRAYS)
    assert not list(module.parameters())


@pytest.mark.parametrize("axis", [-1, -2, 1])
@pytest.mark.parametrize("shifted", [True, False])
def test_a_layer_norm_takes_the_last_axes_of_each_sample(like_reference: Any, axis: int, *, shifted: bool) -> None:
    shape = IMAGES.shape[axis:]
    arrays = {"x": IMAGES, "scale": RNG.standard_normal(shape).astype(np.float32)}
    if shifted:
        arrays["shift"] = RNG.standard_normal(shape).astype(np.float32)
    like_reference(helper.make_node("LayerNormalization", list(arrays), ["y"], axis=axis, epsilon=0.1), arrays)


def test_an_instance_norm_takes_each_channel_of_each_sample(like_reference: Any) -> None:
    arrays = {"x": IMAGES, "scale": SCALE, "shift": SHIFT}
    like_reference(helper.make_node("InstanceNormalization", list(arrays), ["y"], epsilon=0.01), arrays)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_group_norm_takes_some_channels_of_each_sample(like_reference: Any, groups: int) -> None:
    arrays = {"x": IMAGES, "scale": SCALE, "shift": SHIFT}
    like_reference(helper.make_node("GroupNormalization", list(arrays), ["y"], num_groups=groups), arrays)


@pytest.mark.parametrize("attributes", [{"size": 3}, {"size": 5, "alpha": 0.5, "beta": 0.6, "bias": 2.0}])
def test_a_local_response_norm_looks_at_channels_nearby(module_of: Any, attributes: dict[str, Any]) -> None:
    """By ONNX's formula, written out; ONNX's own reference normalizes as many channels as there are samples."""
    settings = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0, **attributes}
    reach = settings["size"] // 2
    squares = IMAGES.astype(np.float64) ** 2
    sums = np.stack([squares[:, max(c - reach, 0) : c + reach + 1].sum(axis=1) for c in range(4)], axis=1)
    expected = IMAGES / (settings["bias"] + settings["alpha"] / settings["size"] * sums) ** settings["beta"]
    got = module_of(helper.make_node("LRN", ["x"], ["y"], **attributes))(torch.from_numpy(IMAGES))
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("axis", [-1, 1])
def test_vectors_are_divided_by_their_length(module_of: Any, power: int, axis: int) -> None:
    got = module_of(helper.make_node("LpNormalization", ["x"], ["y"], p=power, axis=axis))(torch.from_numpy(IMAGES))
    length = (np.abs(IMAGES.astype(np.float64)) ** power).sum(axis, keepdims=True) ** (1 / power)
    np.testing.assert_allclose(got.numpy(), IMAGES / length, rtol=1e-5)


@pytest.mark.parametrize(
    ("node", "opset", "what"),
    [
        (helper.make_node("BatchNormalization", list(ARRAYS), ["y"], "n", training_mode=1), 21, "training_mode=1"),
        (
            helper.make_node("GroupNormalization", ["x", "scale", "shift"], ["y"], "n", num_groups=2),
            20,
            "one scale per group, as before opset 21",
        ),
        (helper.make_node("LRN", ["x"], ["y"], "n", size=4), 21, "an even size"),
    ],
)
def test_what_is_not_handled_is_one_sentence(module_of: Any, node: Any, opset: int, what: str) -> None:
    known = {name: values for name, values in ARRAYS.items() if name != "x"}
    with pytest.raises(UnsupportedOperatorError, match=rf"got {node.op_type} with {what} \(node 'n'\)"):
        module_of(node, known, opset=opset)


def test_statistics_that_are_computed_are_refused(module_of: Any) -> None:
    node = helper.make_node("BatchNormalization", list(ARRAYS), ["y"], "n")
    with pytest.raises(UnsupportedOperatorError, match="BatchNormalization with input 3 that is computed"):
        module_of(node, {"scale": SCALE, "shift": SHIFT})
