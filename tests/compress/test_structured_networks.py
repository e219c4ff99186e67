"""Structured pruning of exported PyTorch networks: a dead channel leaves no trace, 30 % fewer channels still run."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress_onnx.compress.pruning.structured import StructuredOptions, channel_plan, structured_pruned
from compress_onnx.records.artifacts import Preprocessing

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
pytest.importorskip("torchvision")

from torch import nn  # noqa: E402  # only where torch is

from compress_onnx.torch_export.exporter import export_module  # noqa: E402  # only where torch is
from compress_onnx.zoo.networks import build  # noqa: E402  # only where torch is

Runner = Callable[[onnx.ModelProto, NDArray[np.float32]], NDArray[np.float32]]


class Residual(nn.Module):
    """A stem, a plain block, a block with a projection, each with BatchNorm; flattened into a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.inner, self.inner_norm = nn.Conv2d(8, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.outer, self.outer_norm = nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.down, self.down_norm = nn.Conv2d(8, 10, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(10)
        self.side, self.side_norm = nn.Conv2d(8, 10, 1, stride=2, bias=True), nn.BatchNorm2d(10)
        self.hidden, self.classes = nn.Linear(160, 12), nn.Linear(12, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        stem = torch.relu(self.stem_norm(self.stem(images)))
        inner = torch.relu(self.inner_norm(self.inner(stem)))
        block = torch.relu(self.outer_norm(self.outer(inner)) + stem)
        joined = torch.relu(self.down_norm(self.down(block)) + self.side_norm(self.side(block)))
        return self.classes(torch.relu(self.hidden(torch.flatten(joined, 1))))


# Tied layers die at the same channels: stem with outer, down with side.
DEAD = {"stem": [0, 5], "outer": [0, 5], "inner": [2, 3, 4], "down": [9, 1, 4], "side": [9, 1, 4]}


def kill(network: nn.Module, layer: str, channels: list[int]) -> None:
    """Make a layer's channels zero for every image, behind its BatchNorm too."""
    convolution, norm = getattr(network, layer), getattr(network, f"{layer}_norm")
    for tensor in (convolution.weight, convolution.bias, norm.weight, norm.bias):
        if tensor is not None:
            tensor[channels] = 0


def exported(module: nn.Module, size: int) -> onnx.ModelProto:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        preprocessing = Preprocessing(height=size, width=size, mean=(0.5,) * 3, std=(0.25,) * 3)
        return export_module(module, preprocessing, ())
    finally:
        torch.set_num_threads(threads)


@functools.cache
def residual_model(seed: int) -> onnx.ModelProto:
    return exported(residual(seed), 8)


def residual(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    module = Residual()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.uniform_(0.5, 1.5)
                part.bias.normal_()
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
        for layer, channels in DEAD.items():
            kill(module, layer, channels)
    return module.eval()


@pytest.mark.parametrize(("scope", "fraction"), [("global", 8 / 24), ("layer", 0.3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_dead_channels_leave_no_trace(
    scope: str, fraction: float, seed: int, run: Runner, images: NDArray[np.float32]
) -> None:
    module = residual(seed)
    model = residual_model(seed)
    pruned = structured_pruned(model, StructuredOptions(fraction=fraction, scope=scope, multiple=1))
    onnx.checker.check_model(pruned, full_check=True)
    assert parameters(pruned) < parameters(model)
    with torch.no_grad():
        wanted = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(run(pruned, images), wanted, rtol=1e-4, atol=1e-5)


def test_all_dead_channels_go_and_no_other() -> None:
    plan = channel_plan(residual_model(0), StructuredOptions(fraction=0.334, scope="global", multiple=1))
    gone = {name.removesuffix(".weight"): plan.before[name] - plan.after[name] for name in plan.before}
    assert gone == {layer: len(channels) for layer, channels in DEAD.items()}


def parameters(model: onnx.ModelProto) -> int:
    return sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)


@functools.cache
def network_model(network: str) -> onnx.ModelProto:
    torch.manual_seed(0)
    return exported(build(network, 7), 32)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize(
    ("network", "whole"),
    [
        ("lenet5", set()),
        pytest.param("squeezenet", {"classifier.1.weight"}, marks=pytest.mark.slow),
        pytest.param("resnet18", set(), marks=pytest.mark.slow),
    ],
)
def test_30_percent_fewer_channels_still_run(network: str, whole: set[str], scope: str, run: Runner) -> None:
    model = network_model(network)
    options = StructuredOptions(fraction=0.3, scope=scope)
    plan = channel_plan(model, options)
    pruned = structured_pruned(model, options)
    onnx.checker.check_model(pruned, full_check=True)
    assert plan.left_whole.keys() == whole
    thinner = {name for name, count in plan.after.items() if count < plan.before[name]}
    assert thinner == plan.before.keys() - whole if scope == "layer" else thinner
    assert not [name for name in thinner if plan.after[name] % (16 if plan.before[name] >= 64 else 1)]
    assert parameters(pruned) < 0.85 * parameters(model)
    images = np.random.default_rng(2).normal(size=(3, 3, 32, 32)).astype(np.float32)
    together = run(pruned, images)
    assert together.shape == (3, 7)
    one_by_one = np.concatenate([run(pruned, images[place : place + 1]) for place in range(3)])
    np.testing.assert_allclose(one_by_one, together, rtol=1e-3, atol=1e-5)
