"""Maps of all methods: the same in any batch and on every run, and refused where they are none."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")
from compress_onnx import extension_points  # noqa: E402  # after the skips
from compress_onnx.errors import DataError, ModelError, PluginError  # noqa: E402
from compress_onnx.saliency.attribution.gradients import gradient, input_x_gradient, integrated_gradients, smoothgrad  # noqa: E402
from compress_onnx.saliency.attribution.layers import grad_cam, guided_backpropagation  # noqa: E402
from compress_onnx.saliency.attribution.maps import batch_maps  # noqa: E402
from compress_onnx.saliency.attribution.perturbation import occlusion  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402

METHODS = {
    "grad-cam": grad_cam,
    "gradient": gradient,
    "guided-backpropagation": guided_backpropagation,
    "input-x-gradient": input_x_gradient,
    "integrated-gradients": integrated_gradients,
    "occlusion": occlusion,
    "smoothgrad": smoothgrad,
}


every_method = pytest.mark.parametrize("name", sorted(METHODS))


def targets_of(n: int) -> Any:
    return np.arange(n) % 5


def assert_close(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


@every_method
def test_methods_enter_by_their_entry_points(name: str) -> None:
    registry = extension_points.attributions()
    if name not in registry:
        pytest.skip("the package is not installed, so it has no entry points")
    assert registry[name] is METHODS[name]


@every_method
def test_a_sample_has_the_same_map_in_any_batch_and_on_every_run(small: Any, quantized: Any, name: str) -> None:
    images, targets = small.images[:6], targets_of(6)
    twin = build_twin(quantized)
    whole = batch_maps(METHODS[name], twin, images, targets)
    again = batch_maps(METHODS[name], twin, images, targets)
    parts = [batch_maps(METHODS[name], twin, images[i : i + 1], targets[i : i + 1]) for i in range(6)]
    assert whole.shape == (6, 12, 12)
    assert whole.dtype == np.float32
    assert whole.any()
    np.testing.assert_array_equal(whole, again)
    assert_close(np.concatenate(parts), whole)


@every_method
def test_the_twin_has_the_maps_of_the_original_module(small: Any, name: str) -> None:
    method = METHODS[name] if name != "grad-cam" else grad_cam.at("/3/Conv")
    original = METHODS[name] if name != "grad-cam" else grad_cam.at("3")
    images, targets = small.images[:5], targets_of(5)
    got = batch_maps(method, build_twin(small.model), images, targets)
    assert_close(got, batch_maps(original, small.module, images, targets))


@every_method
def test_channels_may_come_last(small: Any, name: str) -> None:
    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = build_twin(small.model)

        def forward(self, images: Any) -> Any:
            return self.inner(images.permute(0, 3, 1, 2))

    images, targets = small.images[:4], targets_of(4)
    got = batch_maps(METHODS[name], Last(), images.transpose(0, 2, 3, 1).copy(), targets, channel_axis=3)
    assert_close(got, batch_maps(METHODS[name], build_twin(small.model), images, targets))


@every_method
def test_a_file_of_fixed_batch_is_fed_whole_batches(small: Any, name: str) -> None:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(small.model)
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    twin = build_twin(fixed)
    sizes: set[int] = set()
    twin.get_submodule("_0_Conv").register_forward_hook(lambda _, given, __: sizes.add(len(given[0])))
    got = batch_maps(METHODS[name], twin, small.images[:3], targets_of(3))
    assert_close(got, batch_maps(METHODS[name], build_twin(small.model), small.images[:3], targets_of(3)))
    assert sizes == {4}


@every_method
def test_the_callers_images_weights_and_generator_are_left_alone(small: Any, name: str) -> None:
    twin, images = build_twin(small.model), small.images[:2].copy()
    before, state = copy.deepcopy(twin.state_dict()), torch.random.get_rng_state()
    batch_maps(METHODS[name], twin, images, targets_of(2))
    np.testing.assert_array_equal(images, small.images[:2])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in twin.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in twin.modules())


def test_channels_are_reduced_by_the_largest_absolute_value() -> None:
    attribution = torch.tensor([[[[1.0]], [[-3.0]], [[2.0]]]])
    batch = np.zeros((1, 3, 1, 1), np.float32)
    assert batch_maps(lambda *_: attribution, torch.nn.Identity(), batch, np.zeros(1, np.int64)).tolist() == [[[3.0]]]


@pytest.mark.parametrize("name", ["grad-cam", "gradient", "guided-backpropagation", "integrated-gradients"])
def test_a_dead_network_has_maps_of_zero(name: str) -> None:
    dead = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.ReLU(), torch.nn.Flatten())
    torch.nn.init.constant_(dead[0].weight, 0.0)
    torch.nn.init.constant_(dead[0].bias, -1.0)
    maps = batch_maps(METHODS[name], dead, np.ones((3, 1, 2, 2), np.float32), np.zeros(3, np.int64))
    assert maps.shape == (3, 2, 2)
    assert not maps.any()


def test_nan_gradients_are_refused_with_their_number(small: Any) -> None:
    class Root(torch.nn.Module):
        def forward(self, images: Any) -> Any:
            return images.abs().flatten(1).sum(dim=1, keepdim=True).sqrt()

    images = small.images[:5].copy()
    # The root has an infinite slope at 0, and 0 times infinity is no number.
    images[[1, 3]] = 0
    with pytest.raises(ModelError, match=r"finite attributions.*2 of 5 samples"):
        batch_maps(gradient, Root(), images, np.zeros(5, np.int64))


@pytest.mark.parametrize("shape", [(2,), (2, 1, 3, 1), (1, 4, 4)])
def test_a_plug_in_that_returns_another_shape_is_named_as_such(shape: Any) -> None:
    with pytest.raises(PluginError, match=r"shape \(2, 1, 1, 1\) or maps \(2, h, w\)"):
        batch_maps(
            lambda *_: torch.zeros(shape),
            torch.nn.Identity(),
            np.zeros((2, 1, 1, 1), np.float32),
            np.zeros(2, np.int64),
        )


@pytest.mark.parametrize("targets", [39, 41])
def test_every_sample_needs_a_target(small: Any, targets: int) -> None:
    with pytest.raises(DataError, match=f"{targets} targets for 40 samples"):
        batch_maps(gradient, build_twin(small.model), small.images, np.zeros(targets, np.int64))


@pytest.mark.parametrize(("low", "high"), [(-1, 4), (0, 5)])
def test_targets_out_of_range_are_refused(small: Any, low: int, high: int) -> None:
    with pytest.raises(DataError, match=f"classes from 0 to 4, got targets from {low} to {high}"):
        batch_maps(gradient, build_twin(small.model), small.images[:2], np.array([low, high]))
