"""Methods that look inside the network, and the layers they may be given."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
from compress_onnx import extension_points  # noqa: E402  # after the skips
from compress_onnx.errors import ModelError, OptionError, UnknownNameError  # noqa: E402
from compress_onnx.saliency.attribution.gradients import gradient  # noqa: E402
from compress_onnx.saliency.attribution.layers import grad_cam, guided_backpropagation  # noqa: E402
from compress_onnx.saliency.attribution.maps import batch_maps  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402


def targets_of(n: int) -> Any:
    return np.arange(n) % 5


def signed(module: Any, images: Any, targets: Any) -> Any:
    """Input gradients by plain autograd."""
    leaf = torch.as_tensor(images).clone().requires_grad_()
    chosen = module(leaf).gather(1, torch.from_numpy(targets)[:, None]).sum()
    return torch.autograd.grad(chosen, leaf)[0].numpy()


def as_map(values: Any) -> Any:
    return np.abs(values).max(axis=1)


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


def test_guided_backpropagation_holds_back_negative_signals(small: Any) -> None:
    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, values: Any) -> Any:
            ctx.save_for_backward(values)
            return values.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad.clamp(min=0) * (ctx.saved_tensors[0] > 0)

    class GuidedRelu(torch.nn.Module):
        def forward(self, values: Any) -> Any:
            return Guided.apply(values)

    by_hand = copy.deepcopy(small.module)
    by_hand[1], by_hand[5] = GuidedRelu(), GuidedRelu()
    got = batch_maps(guided_backpropagation, build_twin(small.model), small.images, targets_of(40))
    assert_close(got, as_map(signed(by_hand, small.images, targets_of(40))))


def test_a_quantized_model_is_guided_too_although_its_quantizer_took_the_relus_away(small: Any, quantized: Any) -> None:
    assert not any(node.op_type == "Relu" for node in quantized.graph.node)
    images, targets = small.images, targets_of(40)
    guided = batch_maps(guided_backpropagation, build_twin(small.model), images, targets)
    twin = build_twin(quantized, saturating=False)  # ReLUs are the matter here, not the CPU
    got = batch_maps(guided_backpropagation, twin, images, targets)
    plain = batch_maps(gradient, twin, images, targets)
    assert np.corrcoef(guided.ravel(), got.ravel())[0, 1] > 0.95
    assert np.abs(guided - got).mean() < 0.2 * np.abs(guided - plain).mean()


def test_guided_backpropagation_without_relu_is_refused() -> None:
    smooth = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    with pytest.raises(ModelError, match="a network with ReLU for guided backpropagation, got one without"):
        batch_maps(guided_backpropagation, smooth, np.ones((1, 1, 2, 2), np.float32), np.zeros(1, np.int64))


def test_grad_cam_weighs_the_layers_maps_by_their_mean_gradient(small: Any) -> None:
    images, targets = torch.from_numpy(small.images[:6]), targets_of(6)
    features = small.module[:4](images).detach().requires_grad_()
    small.module[4:](features).gather(1, torch.from_numpy(targets)[:, None]).sum().backward()
    cam = (features.grad.mean(dim=(2, 3), keepdim=True) * features).sum(dim=1, keepdim=True).clamp(min=0)
    expected = torch.nn.functional.interpolate(cam, (12, 12), mode="bilinear")[:, 0].detach().numpy()
    twin = build_twin(small.model)
    assert_close(batch_maps(grad_cam, twin, images.numpy(), targets), expected)
    assert_close(batch_maps(grad_cam.at("/3/Conv"), twin, images.numpy(), targets), expected)


def test_a_layer_that_does_not_exist_is_answered_with_those_that_do(small: Any) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean /3/Conv.*Known: .*/2/MaxPool.*/5/Relu\."):
        batch_maps(grad_cam.at("/3/Con"), build_twin(small.model), small.images[:1], targets_of(1))


def test_a_layer_that_gives_no_picture_is_no_layer_for_grad_cam(small: Any) -> None:
    with pytest.raises(UnknownNameError, match="layer that gives"):
        batch_maps(grad_cam.at("/7/Gemm"), build_twin(small.model), small.images[:1], targets_of(1))


def test_grad_cam_without_convolution_asks_for_a_layer() -> None:
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    with pytest.raises(ModelError, match="grad-cam:LAYER"):
        batch_maps(grad_cam, flat, np.ones((1, 1, 2, 2), np.float32), np.zeros(1, np.int64))


def test_a_name_may_carry_a_layer() -> None:
    if "grad-cam" not in extension_points.attributions():
        pytest.skip("the package is not installed, so it has no entry points")
    assert extension_points.attribution("grad-cam:a:b") == grad_cam.at("a:b")
    assert extension_points.attribution("gradient") is gradient
    with pytest.raises(OptionError, match="gradient looks at no single layer"):
        extension_points.attribution("gradient:conv1")
    with pytest.raises(OptionError, match="METHOD:LAYER"):
        extension_points.attribution("grad-cam:")
    with pytest.raises(UnknownNameError, match="Did you mean grad-cam"):
        extension_points.attribution("gradcam:conv1")
