"""Statistics written into a model: outputs times a factor plus a shift, and nothing else."""

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
from compress_onnx.compress.repair.corrections import Correction, corrected, correction, repairable_layers
from compress_onnx.compress.repair.reference import Reference
from compress_onnx.model.files import model_bytes

MakeModel = Callable[..., onnx.ModelProto]
Seen = Callable[[onnx.ModelProto, list[str], NDArray[np.float32]], list[NDArray[np.float32]]]


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng((seed, *shape)).normal(0, 0.5, shape).astype(np.float32)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def pruned(model: onnx.ModelProto, sparsity: float = 0.5) -> onnx.ModelProto:
    return prune_model(model, PruneOptions(sparsity=sparsity, scope="layer"))


def moments(tensor: NDArray[np.float32], axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = np.moveaxis(tensor.astype(np.float64), axis, 0).reshape(tensor.shape[axis], -1)
    return flat.mean(1), flat.std(1)


def test_strength_zero_changes_no_number(convnet: onnx.ModelProto, pool: ImagePool) -> None:
    candidate = pruned(convnet)
    made = fit(Reference(convnet, pool), candidate)
    untouched = corrected(candidate, made.moments, made.corrections, strength=0.0)
    for name, values in arrays(candidate).items():
        np.testing.assert_array_equal(arrays(untouched)[name], values)


def test_a_correction_brings_numbers_to_the_target() -> None:
    x = np.random.default_rng(0).normal(3, 2, (2, 1000))
    found = Moments(mean=x.mean(1), variance=x.var(1))
    made = correction(Moments(mean=np.array([1.0, -1.0]), variance=np.array([1.0, 9.0])), found)
    y = x * made.factor[:, None] + made.shift[:, None]
    np.testing.assert_allclose(y.mean(1), [1, -1], atol=1e-12)
    np.testing.assert_allclose(y.std(1), [1, 3], atol=1e-12)


def test_a_bias_that_two_layers_share_is_not_changed_under_the_other(
    make_model: MakeModel, pool: ImagePool, seen: Seen
) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w1", "b"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b"], ["c2"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["logits"]),
    ]
    model = make_model(nodes, {"w1": normal(5, 3, 3, 3), "w2": normal(5, 5, 3, 3), "b": normal(5)})
    whole = fit(Reference(model, pool), pruned(model, 0.3)).at(1.0)
    images = measuring(pool)
    for wanted, found in zip(seen(model, ["c1", "c2"], images), seen(whole, ["c1", "c2"], images), strict=True):
        np.testing.assert_allclose(moments(found, 1)[0], moments(wanted, 1)[0], atol=1e-3)


def measuring(pool: ImagePool) -> NDArray[np.float32]:
    return next(pool.batches(10**6, judging=False))


CHANNELS = {"c": 6, "t": 4, "d": 4, "g": 12, "m": 10, "a": 5}


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_every_kind_of_layer_gives_its_output_times_the_factor_plus_the_shift(
    layered: MakeModel, pictures: NDArray[np.float32], seen: Seen, strength: float
) -> None:
    """Each layer is corrected alone, so that its input is that of the model as it was."""
    model = layered()
    rng = np.random.default_rng(1)
    for changed, count in CHANNELS.items():
        corrections = {
            name: Correction(factor=np.ones(other), shift=np.zeros(other)) for name, other in CHANNELS.items()
        }
        factor, shift = rng.uniform(0.3, 3, count), rng.normal(0, 2, count)
        corrections[changed] = Correction(factor=factor, shift=shift)
        made = corrected(model, {}, corrections, strength=strength)
        onnx.checker.check_model(made, full_check=True)
        # The bias of the last layer lies in an Add behind it, and takes the shift.
        name = "logits" if changed == "a" else changed
        (before,), (after,) = (seen(each, [name], pictures[:9]) for each in (model, made))
        offset = arrays(model)["ba"] if changed == "a" else 0
        shape = (-1, *[1] * (before.ndim - 2))
        mixed = 1 + strength * (factor - 1)
        expected = (before - offset) * mixed.reshape(shape) + (offset + (strength * shift).reshape(shape))
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-4, err_msg=changed)


def test_a_matrix_product_gets_an_add_only_where_none_takes_the_shift(layered: MakeModel) -> None:
    model = layered()
    corrections = {name: Correction(factor=np.ones(count), shift=np.ones(count)) for name, count in CHANNELS.items()}
    made = corrected(model, {}, corrections, strength=1.0)
    behind = [node.op_type for node in made.graph.node]
    assert behind.count("Add") == 2
    assert behind[behind.index("MatMul") + 1] == "Add"
    np.testing.assert_allclose(arrays(made)["ba"], arrays(model)["ba"] + 1, rtol=1e-6)


def test_an_add_whose_constant_another_node_reads_is_no_bias(make_model: MakeModel, pictures: Any, seen: Seen) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["m"]),
        helper.make_node("Add", ["m", "b"], ["sum"]),
        helper.make_node("Mul", ["sum", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(192, 5), "b": normal(5)})
    shift = np.arange(5.0)
    made = corrected(model, {}, {"m": Correction(factor=np.ones(5), shift=shift)}, strength=1.0)
    np.testing.assert_array_equal(arrays(made)["b"], arrays(model)["b"])
    (before,), (after,) = (seen(each, ["logits"], pictures) for each in (model, made))
    np.testing.assert_allclose(after, before + shift * arrays(model)["b"], rtol=1e-4, atol=1e-4)


def test_statistics_of_a_batch_norm_move_by_the_strength_and_the_argument_stays(convnet: onnx.ModelProto) -> None:
    (norm, *layers) = repairable_nodes(convnet)
    assert [layer.key for layer in repairable_layers((norm, *layers))] == ["c2", "logits"]
    corrections = {
        layer.key: Correction(factor=np.ones(count), shift=np.zeros(count))
        for layer, count in zip(layers, (8, 5), strict=True)
    }
    met = Moments(mean=np.arange(8.0), variance=np.arange(8.0) + 2)
    before = model_bytes(convnet)
    made, old = arrays(corrected(convnet, {norm.key: met}, corrections, strength=0.25)), arrays(convnet)
    np.testing.assert_allclose(made["mean"], 0.75 * old["mean"] + 0.25 * met.mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made["var"], 0.75 * old["var"] + 0.25 * met.variance, rtol=1e-5)
    np.testing.assert_array_equal(made["w1"], old["w1"])
    assert model_bytes(convnet) == before
