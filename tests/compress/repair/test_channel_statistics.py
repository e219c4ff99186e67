"""Moments measured inside the graph, against NumPy on its tensors and PyTorch's BatchNorm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration.channel_moments import Moments
from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.compress.layers.repairable import repairable_nodes
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.repair.channel_fit import fit
from compress_onnx.compress.repair.channel_statistics import activation_bytes, baseline_moments, renormalized_moments
from compress_onnx.compress.repair.corrections import repairable_layers
from compress_onnx.compress.repair.reference import Reference
from compress_onnx.errors import ModelError
from compress_onnx.model.files import model_bytes

MakeModel = Callable[..., onnx.ModelProto]
Seen = Callable[[onnx.ModelProto, list[str], NDArray[np.float32]], list[NDArray[np.float32]]]


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng((seed, *shape)).normal(0, 0.5, shape).astype(np.float32)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def pruned(model: onnx.ModelProto, sparsity: float = 0.5) -> onnx.ModelProto:
    return prune_model(model, PruneOptions(sparsity=sparsity, scope="layer"))


def measuring(pool: ImagePool) -> NDArray[np.float32]:
    return next(pool.batches(10**6, judging=False))


def test_batch_norms_are_re_estimated_as_torch_does(pool: ImagePool, make_model: MakeModel) -> None:
    torch = pytest.importorskip("torch")
    model = two_norms(make_model)
    candidate = pruned(model)
    values = arrays(candidate)
    norms = [torch.nn.BatchNorm2d(8, momentum=None) for _ in range(2)]
    for number, norm in enumerate(norms):
        norm.weight.data = torch.tensor(values[f"scale{number}"])
        norm.bias.data = torch.tensor(values[f"shift{number}"])
    images = measuring(pool)
    with torch.no_grad():
        x = torch.nn.functional.conv2d(torch.tensor(images), torch.tensor(values["w0"]), padding=1)
        x = torch.nn.functional.conv2d(torch.relu(norms[0](x)), torch.tensor(values["w1"]))
        count = norms[1](x).numel() // 8
    found = arrays(fit(Reference(model, pool), candidate).at(1.0))
    for number, norm in enumerate(norms):
        np.testing.assert_allclose(found[f"mean{number}"], norm.running_mean.numpy(), rtol=1e-4, atol=1e-5)
        # torch keeps the unbiased variance, normalizing needs the population's.
        elements = count if number else len(images) * 64
        population = norm.running_var.numpy() * (elements - 1) / elements
        np.testing.assert_allclose(found[f"var{number}"], population, rtol=1e-4)


def two_norms(make_model: MakeModel) -> onnx.ModelProto:
    tensors: dict[str, NDArray[np.float32]] = {"w0": normal(8, 3, 3, 3), "w1": normal(8, 8, 3, 3), "wf": normal(5, 8)}
    for number in range(2):
        tensors |= {f"{name}{number}": normal(8, seed=number + 1) for name in ("scale", "shift", "mean")}
        tensors[f"var{number}"] = np.abs(normal(8, seed=number + 9)) + 0.5
    norm = [[f"{name}{number}" for name in ("scale", "shift", "mean", "var")] for number in range(2)]
    nodes = [
        helper.make_node("Conv", ["input", "w0"], ["c0"], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["c0", *norm[0]], ["n0"]),
        helper.make_node("Relu", ["n0"], ["r0"]),
        helper.make_node("Conv", ["r0", "w1"], ["c1"]),
        helper.make_node("BatchNormalization", ["c1", *norm[1]], ["n1"]),
        helper.make_node("Relu", ["n1"], ["r1"]),
        helper.make_node("GlobalAveragePool", ["r1"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "wf"], ["logits"], transB=1),
    ]
    return make_model(nodes, tensors)


def plain(tensor: NDArray[np.float32], axis: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and population variance of each channel."""
    flat = np.moveaxis(tensor.astype(np.float64), axis, 0).reshape(tensor.shape[axis], -1)
    return flat.mean(1), flat.var(1)


@pytest.mark.parametrize("opset", [7, 13, 21])
@pytest.mark.parametrize("size", [1, 7, 96])
def test_moments_of_a_model_as_it_is_are_those_of_its_tensors_in_batches_of_any_size(
    layered: MakeModel, pictures: NDArray[np.float32], seen: Seen, opset: int, size: int
) -> None:
    model = layered(opset)
    before = model_bytes(model)
    layers = repairable_layers(repairable_nodes(model))
    counts: list[int] = []
    batches = [pictures[start : start + size] for start in range(0, 96, size)]
    found = baseline_moments(model, layers, batches, seen=counts.append)
    assert list(found) == ["c", "t", "d", "g", "m", "a"]
    for (name, moments), tensor in zip(found.items(), seen(model, list(found), pictures), strict=True):
        mean, variance = plain(tensor)
        np.testing.assert_allclose(moments.mean, mean, rtol=1e-4, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(moments.variance, variance, rtol=1e-3, err_msg=name)
    assert counts == [len(batch) for batch in batches]
    assert model_bytes(model) == before


def test_a_deep_layer_is_measured_behind_a_first_one_that_was_put_right(
    make_model: MakeModel, pictures: NDArray[np.float32]
) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["g"]),
        helper.make_node("Relu", ["g"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["logits"]),
    ]
    w, b, v = normal(192, 6), normal(6), normal(6, 5)
    model = make_model(nodes, {"w": w, "b": b, "v": v})
    wanted = Moments(mean=np.arange(6.0), variance=(np.arange(6.0) + 1) ** 2 * 16)
    last = Moments(mean=np.zeros(5), variance=np.ones(5))
    layers = repairable_nodes(model)
    found = renormalized_moments(
        model, layers, [pictures], targets={"g": wanted, "logits": last}, seen=lambda images: None
    )
    first = pictures.reshape(96, -1).astype(np.float64) @ w + b
    mean, variance = plain(first)
    np.testing.assert_allclose(found["g"].mean, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["g"].variance, variance, rtol=1e-4)
    factor = np.clip(wanted.std / np.sqrt(variance), 0.25, 4)
    assert (factor < 4).any()
    put_right = (first - mean) * factor + wanted.mean
    mean, variance = plain(np.maximum(put_right, 0) @ v)
    np.testing.assert_allclose(found["logits"].mean, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["logits"].variance, variance, rtol=1e-4)


def test_bytes_are_those_of_the_largest_tensor_of_one_image(layered: MakeModel, pictures: NDArray[np.float32]) -> None:
    model = layered()
    # The transposed convolution gives 4 channels of 16 by 16; where nothing is measured the image counts.
    assert activation_bytes(model, repairable_nodes(model), pictures[:1]) == 4 * 4 * 16 * 16
    assert activation_bytes(model, (), pictures[:1]) == 4 * 3 * 8 * 8


def test_nothing_to_measure_reads_no_batch(convnet: onnx.ModelProto) -> None:
    def batches() -> Any:
        yield pytest.fail("a batch was read")

    assert baseline_moments(convnet, [], batches(), seen=lambda images: None) == {}


def test_activations_that_are_no_numbers_are_refused_by_their_tensor(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32]
) -> None:
    layers = repairable_layers(repairable_nodes(convnet))
    with pytest.raises(ModelError, match=r"finite activations, got NaN or infinity in 'c2' \(repair\)"):
        baseline_moments(convnet, layers, [pictures * np.float32(1e30)], seen=lambda images: None)
