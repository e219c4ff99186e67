from __future__ import annotations

import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from compress_onnx.errors import UnknownNameError  # noqa: E402  # only where torch is
from compress_onnx.zoo.checkpoints import load_checkpoint  # noqa: E402
from compress_onnx.zoo.networks import (  # noqa: E402
    NETWORKS,
    NormalizedConv2d,
    build,
    count_parameters,
    with_batch_norm,
    without_batch_norm,
)


@pytest.mark.parametrize(
    ("network", "classes", "parameters"),
    [
        ("lenet5", 10, 62_006),
        ("lenet5", 43, 62_006 + 33 * 85),
        # torchvision's 1,248,424 without the 7x7 stem (14,208) and the classifier of 1,000 (513,000).
        ("squeezenet", 10, 1_248_424 - 14_208 - 513_000 + 96 * 28 + 10 * 513),
        # torchvision's 11,689,512 without the 7x7 stem (9,408) and the classifier of 1,000 (513,000).
        ("resnet18", 10, 11_689_512 - 9_408 - 513_000 + 64 * 27 + 10 * 513),
    ],
)
def test_parameter_counts(network: str, classes: int, parameters: int) -> None:
    assert count_parameters(build(network, classes)) == parameters


@pytest.mark.parametrize("network", NETWORKS.names())
def test_a_picture_of_32_pixels_becomes_logits(network: str) -> None:
    with torch.inference_mode():
        logits = build(network, 7).eval()(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 7)


def test_the_networks_and_an_unknown_one() -> None:
    assert NETWORKS.names() == ["lenet5", "resnet18", "squeezenet"]
    with pytest.raises(
        UnknownNameError, match=r"a network, got 'resnet'\. Did you mean resnet18 .*\? Known: lenet5, res"
    ):
        build("resnet", 10)


@pytest.mark.parametrize(("name", "classes"), [("cifar10", 10), ("gtsrb", 43)])
def test_resnet18_loads_the_shared_checkpoints(name: str, classes: int) -> None:
    data = os.environ.get("COMPRESS_ONNX_DATA", "")
    path = Path(data).parent / "checkpoints" / f"resnet18-{name}.safetensors"
    if not data or not path.is_file():
        pytest.skip("no shared checkpoints beside $COMPRESS_ONNX_DATA")
    module = load_checkpoint(path, lambda: build("resnet18", classes))
    assert {tensor.dtype for tensor in module.parameters()} == {torch.float32}
    assert not module.training


@pytest.mark.parametrize("network", ["lenet5", "squeezenet"])
def test_folding_gives_the_original_network_with_the_trained_outputs(network: str) -> None:
    torch.manual_seed(0)
    original = build(network, 7)
    trained = with_batch_norm(original)
    images = torch.randn(16, 3, 32, 32)
    for _ in range(3):  # the running statistics leave their first values
        trained(3 * images + 1)
    for layer in trained.modules():
        if isinstance(layer, NormalizedConv2d):
            torch.nn.init.uniform_(layer.norm.weight, 0.5, 2)
            torch.nn.init.uniform_(layer.norm.bias, -1, 1)
    folded = without_batch_norm(trained)
    assert {n: t.shape for n, t in folded.state_dict().items()} == {
        n: t.shape for n, t in original.state_dict().items()
    }
    expected = trained.eval()(images)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-5)


def test_every_convolution_is_normalized_and_the_given_network_left_alone() -> None:
    original = build("squeezenet", 7)
    normalized = with_batch_norm(original)
    convolutions = [layer for layer in original.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 26
    assert sum(isinstance(layer, NormalizedConv2d) for layer in normalized.modules()) == 26
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in original.modules())


def test_a_network_without_convolutions_stays_as_it_is() -> None:
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    images = torch.randn(3, 1, 2, 2)
    torch.testing.assert_close(without_batch_norm(with_batch_norm(linear))(images), linear(images))
