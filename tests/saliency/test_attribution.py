from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx import extension_points  # noqa: E402  # after the skips
from compress_onnx.errors import DataError, ModelError, OptionError, PluginError, UnknownNameError  # noqa: E402
from compress_onnx.saliency.attribution.gradients import (  # noqa: E402
    NOISE,
    NOISY_COPIES,
    gradient,
    input_x_gradient,
    integrated_gradients,
    smoothgrad,
)
from compress_onnx.saliency.attribution.layers import grad_cam, guided_backpropagation  # noqa: E402
from compress_onnx.saliency.attribution.maps import batch_maps, seeded  # noqa: E402
from compress_onnx.saliency.attribution.perturbation import Deployed, explained_module, occlusion  # noqa: E402
from compress_onnx.saliency.batching import BATCH, as_batch, slices  # noqa: E402
from compress_onnx.saliency.task import SaliencyTask, in_batches  # noqa: E402
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


def signed(module: Any, images: Any, targets: Any) -> Any:
    """Input gradients by plain autograd."""
    leaf = torch.as_tensor(images).clone().requires_grad_()
    chosen = module(leaf).gather(1, torch.from_numpy(targets)[:, None]).sum()
    return torch.autograd.grad(chosen, leaf)[0].numpy()


def as_map(values: Any) -> Any:
    return np.abs(values).max(axis=1)


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


def naive(module: Any, image: Any, target: int) -> Any:
    """The map of one image, one backward pass of its own, through the original module."""
    leaf = torch.from_numpy(image[None]).requires_grad_()
    module(leaf)[0, target].backward()
    return leaf.grad[0].abs().numpy().max(axis=0)


def test_gradient_is_that_of_one_image_at_a_time(small: Any) -> None:
    targets = targets_of(40)
    got = batch_maps(gradient, build_twin(small.model), small.images, targets)
    assert_close(got, np.stack([naive(small.module, image, t) for image, t in zip(small.images, targets, strict=True)]))


def test_a_whole_batch_takes_one_backward_pass(small: Any) -> None:
    twin = build_twin(small.model)
    passes: list[int] = []
    twin.get_submodule("_0_Conv").register_full_backward_hook(lambda *_: passes.append(1))
    batch_maps(gradient, twin, small.images, targets_of(40))
    assert passes == [1]


def test_input_x_gradient_is_the_product(small: Any) -> None:
    images, targets = small.images[:5], targets_of(5)
    got = batch_maps(input_x_gradient, build_twin(small.model), images, targets)
    assert_close(got, as_map(images * signed(small.module, images, targets)))


def test_smoothgrad_is_the_mean_gradient_of_the_same_noisy_copies(small: Any) -> None:
    images, targets = torch.from_numpy(small.images[:3]), targets_of(3)
    patterns = torch.randn((NOISY_COPIES, 3, 12, 12), generator=torch.Generator().manual_seed(5))
    spread = NOISE * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
    expected = np.mean([signed(small.module, images + spread * one, targets) for one in patterns], axis=0)
    got = batch_maps(seeded(smoothgrad, 5), build_twin(small.model), images.numpy(), targets)
    assert_close(got, as_map(expected))
    other = batch_maps(seeded(smoothgrad, 6), build_twin(small.model), images.numpy(), targets)
    assert np.abs(got - other).max() > 0.01 * got.max()


def test_integrated_gradients_sum_to_what_the_logit_gained_from_the_mean_color(small: Any) -> None:
    images, targets = torch.from_numpy(small.images[:8]), torch.from_numpy(targets_of(8))
    twin = build_twin(small.model)
    found = integrated_gradients(twin, images, targets)
    gained = (twin(images) - twin(torch.zeros_like(images))).gather(1, targets[:, None])[:, 0]
    np.testing.assert_allclose(found.sum(dim=(1, 2, 3)), gained, atol=0.05 * float(gained.abs().max()))


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


def occluded(predict: Any, image: Any, target: int, window: int, stride: int) -> Any:
    """Mean fall of a logit over all squares that cover a pixel, square by square."""
    side = image.shape[1]
    whole = predict(image[None])[0, target]
    falls, counts = np.zeros((side, side)), np.zeros((side, side))
    steps = -(-(side - window) // stride) + 1
    for row in range(steps):
        for column in range(steps):
            place = np.s_[row * stride : row * stride + window, column * stride : column * stride + window]
            covered = image.copy()
            covered[:, place[0], place[1]] = 0
            falls[place] += whole - predict(covered[None])[0, target]
            counts[place] += 1
    return np.abs(falls / counts)


def test_occlusion_is_the_fall_of_the_logit_on_the_session_itself(small: Any, quantized: Any, runtime: Any) -> None:
    rng = np.random.default_rng(0)
    big = rng.standard_normal((2, 3, 12, 12)).astype(np.float32)

    def predict(images: Any) -> Any:
        return runtime(quantized, images)

    asked = explained_module(occlusion, build_twin(quantized), predict)
    assert isinstance(asked, Deployed)
    got = batch_maps(occlusion, asked, big, np.array([3, 1]))
    expected = np.stack([occluded(predict, image, t, 1, 1) for image, t in zip(big, (3, 1), strict=True)])
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_squares_overlap_by_half_on_larger_pictures() -> None:
    image = np.random.default_rng(0).standard_normal((1, 32, 32)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal((1024, 2)).astype(np.float32)

    class Linear(torch.nn.Module):
        def forward(self, images: Any) -> Any:
            return images.flatten(1) @ torch.from_numpy(weight)

    got = batch_maps(occlusion, Linear(), image[None], np.array([1]))
    assert_close(got[0], occluded(lambda images: images.reshape(len(images), -1) @ weight, image, 1, 4, 2))


def test_only_methods_that_ask_for_it_run_on_the_session(small: Any) -> None:
    twin = build_twin(small.model)
    assert explained_module(gradient, twin, lambda images: images) is twin
    assert explained_module(occlusion, twin, None) is twin


def test_a_copy_of_the_deployed_file_is_the_twin_whose_weights_can_be_changed(small: Any) -> None:
    copied = copy.deepcopy(Deployed(lambda images: images, build_twin(small.model)))
    assert sum(parameter.ndim >= 2 for parameter in copied.parameters()) == 3


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


def test_batches_cover_all_rows_once() -> None:
    rows = [row for part in slices(2 * BATCH + 3, torch.nn.Identity()) for row in range(part.start, part.stop)]
    assert rows == list(range(2 * BATCH + 3))
    assert list(slices(0, torch.nn.Identity())) == []


def test_a_batch_is_filled_up_to_the_size_a_file_was_fixed_to() -> None:
    module = torch.nn.Identity()
    module.meta = {"fixed_batch": 4}
    assert as_batch(np.array([1, 2]), module).tolist() == [1, 2, 1, 2]
    assert list(slices(6, module)) == [slice(0, 4), slice(4, 6)]


def test_the_tasks_seed_is_that_of_a_method_that_draws(small: Any) -> None:
    images, targets = small.images[:3], targets_of(3)
    twin = build_twin(small.model)
    one, same, other = (
        SaliencyTask(
            batches=in_batches(images),
            targets=targets,
            target="baseline",
            method="smoothgrad",
            noise_amplitude=np.zeros(3, np.float32),
            seed=seed,
        ).explain(twin, images, slice(0, 3))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
