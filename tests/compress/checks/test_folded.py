"""A folded form is held against its model, and faint channels are strengthened only where the outputs bear it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.checks import folded
from compress_onnx.compress.checks.folded import checked_form
from compress_onnx.compress.float_form.fold import folded as fold
from compress_onnx.compress.layers.faint_channels import Strengthened
from compress_onnx.errors import SelfCheckError
from compress_onnx.model.files import model_bytes

Images = NDArray[np.float32]
MakeModel = Callable[..., onnx.ModelProto]
Runner = Callable[[onnx.ModelProto, Images], Images]


def changed(model: onnx.ModelProto, name: str, edit: Callable[[NDArray[Any]], NDArray[Any]]) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(edit(numpy_helper.to_array(tensor).copy()), name))
    return copy


def unread() -> Iterator[Images]:
    yield pytest.fail("a batch was read")


@pytest.fixture
def faint(make_model: MakeModel) -> onnx.ModelProto:
    """A network with a channel that is its bias and a faint variation, read loudly."""
    rng = np.random.default_rng(2)
    tensors = {
        "w": (rng.normal(size=(8, 3, 3, 3)) * 0.2).astype(np.float32),
        "b": rng.normal(0, 0.1, 8).astype(np.float32),
        "m": rng.normal(size=(8, 5)).astype(np.float32),
    }
    tensors["w"][3] *= np.float32(1e-3)
    tensors["m"][3] *= 1000
    tensors["b"][3] = 0.8
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "m"], ["logits"], "fc"),
    ]
    return make_model(nodes, tensors)


def test_a_form_without_faint_channels_is_kept_with_what_its_layers_saw(
    convnet: onnx.ModelProto, images: Images, run: Runner
) -> None:
    plain = fold(convnet)
    form = checked_form(convnet, plain, unread(), images)
    assert form.model is plain
    assert form.delicate == frozenset()
    np.testing.assert_allclose(form.seen["logits"], run(convnet, images), rtol=1e-4, atol=1e-4)
    # What the second convolution reads is rectified.
    second = [node for node in plain.graph.node if node.op_type == "Conv"][1]
    assert form.seen[second.input[0]].shape == (12, 8, 8, 8)
    assert form.seen[second.input[0]].min() == 0


def test_a_form_that_computes_something_else_is_caught(convnet: onnx.ModelProto, images: Images) -> None:
    other = changed(fold(convnet), "b2", lambda values: values + 1)
    with pytest.raises(SelfCheckError, match="folding"):
        checked_form(convnet, other, unread(), images)


@pytest.mark.parametrize("kind", ["none", "not finite"])
def test_inputs_that_tell_nothing_check_nothing(convnet: onnx.ModelProto, images: Images, kind: str) -> None:
    other = changed(fold(convnet), "b2", lambda values: values + 1)
    sample = images[:0] if kind == "none" else np.where(np.arange(12)[:, None, None, None] == 7, np.inf, images)
    form = checked_form(convnet, other, unread(), sample.astype(np.float32))
    assert form.model is other
    assert form.seen == {}


def test_faint_channels_are_strengthened_and_what_layers_see_is_that_of_the_new_form(
    faint: onnx.ModelProto, images: Images, run: Runner
) -> None:
    before = model_bytes(faint)
    form = checked_form(faint, faint, [images], images)
    assert form.model is not faint
    assert model_bytes(faint) == before
    assert form.delicate == {"m"}
    np.testing.assert_allclose(run(form.model, images), run(faint, images), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(form.seen["logits"], run(form.model, images), rtol=1e-5, atol=1e-5)
    # The channel now reaches as far as the others.
    spread = np.ptp(form.seen["f"], axis=0)
    assert spread[3] > 0.2 * np.median(spread)


@pytest.mark.parametrize(("share", "taken"), [(0.01, True), (0.05, False)])
def test_a_stronger_form_that_moves_the_outputs_too_far_is_not_taken(
    convnet: onnx.ModelProto, images: Images, run: Runner, monkeypatch: pytest.MonkeyPatch, *, share: float, taken: bool
) -> None:
    plain = fold(convnet)
    largest = np.abs(run(plain, images)).max()
    moved = changed(plain, "b3", lambda values: values + np.float32(share * largest))
    monkeypatch.setattr(
        folded, "strengthened", lambda model, batches: Strengthened(model=moved, delicate=frozenset({"w3"}))
    )
    form = checked_form(convnet, plain, unread(), images)
    assert form.model is (moved if taken else plain)
    assert form.delicate == (frozenset({"w3"}) if taken else frozenset())
    np.testing.assert_allclose(form.seen["logits"], run(form.model, images), rtol=1e-4, atol=1e-4)
