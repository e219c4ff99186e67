"""A candidate's channels brought to the baseline's statistics: wholly, in part, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.compress.layers.repairable import repairable_nodes
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.pruning.structured import StructuredOptions, structured_pruned
from compress_onnx.compress.repair import channel_fit
from compress_onnx.compress.repair.channel_fit import Fit, batch_size, fit
from compress_onnx.compress.repair.reference import Reference
from compress_onnx.errors import ModelError

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


AXES = {"c": 1, "t": 1, "d": 1, "g": 1, "m": 1, "logits": 1}


def measuring(pool: ImagePool) -> NDArray[np.float32]:
    return next(pool.batches(10**6, judging=False))


@pytest.mark.parametrize("opset", [7, 8, 13, 21])
def test_the_whole_repair_gives_every_layer_the_baselines_statistics(
    layered: MakeModel, pool: ImagePool, opset: int, monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    # Without bounds on the factor every living channel is met exactly.
    for module in ("repair.channel_statistics", "calibration.channel_moments"):
        monkeypatch.setattr(f"compress_onnx.compress.{module}.LARGEST_FACTOR", 1e6)
    model = layered(opset)
    whole = fit(Reference(model, pool), candidate := pruned(model, 0.3)).at(1.0)
    onnx.checker.check_model(whole, full_check=True)
    images = measuring(pool)
    before, after = (seen(each, list(AXES), images) for each in (candidate, whole))
    for name, wanted, worse, found in zip(AXES, seen(model, list(AXES), images), before, after, strict=True):
        mean, std = moments(wanted, AXES[name])
        new_mean, new_std = moments(found, AXES[name])
        living = moments(worse, AXES[name])[1] > 1e-3
        np.testing.assert_allclose(new_mean, mean, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(new_std[living], std[living], rtol=1e-3, err_msg=name)
        assert not np.allclose(moments(worse, AXES[name])[1], std, rtol=1e-2, atol=0), "pruning must have moved it"


def test_small_batches_measure_nearly_the_same(
    convnet: onnx.ModelProto, pool: ImagePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = pruned(convnet, 0.3)
    whole = fit(Reference(convnet, pool), candidate)
    monkeypatch.setattr(channel_fit, "LARGEST_TENSOR_BYTES", 24 * 4 * 8 * 64)
    parts = fit(Reference(convnet, pool), candidate)
    first, deep = repairable_nodes(candidate)[0].key, repairable_nodes(candidate)[1].key
    # Sums over batches are exact where nothing before was renormalized by a batch.
    np.testing.assert_allclose(parts.moments[first].variance, whole.moments[first].variance, rtol=1e-5)
    np.testing.assert_allclose(parts.moments[deep].std, whole.moments[deep].std, rtol=0.05)


def test_a_dead_channel_keeps_its_zeros_and_gives_the_baselines_mean(
    convnet: onnx.ModelProto, pool: ImagePool, seen: Seen
) -> None:
    candidate = onnx.ModelProto()
    candidate.CopyFrom(convnet)
    tensor = next(t for t in candidate.graph.initializer if t.name == "w2")
    dead = numpy_helper.to_array(tensor).copy()
    dead[3] = 0
    tensor.CopyFrom(numpy_helper.from_array(dead, "w2"))
    made = fit(Reference(convnet, pool), candidate)
    assert made.ratios(1.0)["w2"][3] == 1
    images = measuring(pool)
    wanted, found = (seen(each, ["c2"], images)[0] for each in (convnet, made.at(1.0)))
    np.testing.assert_allclose(found[:, 3], wanted[:, 3].astype(np.float64).mean(), atol=1e-4)
    assert np.isfinite(seen(made.at(1.0), ["logits"], images)[0]).all()


def test_half_a_repair_mixes_the_outputs_of_none_and_all(make_model: MakeModel, pool: ImagePool, seen: Seen) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(192, 5), "b": normal(5)})
    made: Fit = fit(Reference(model, pool), pruned(model))
    none, half, whole = (seen(made.at(s), ["logits"], measuring(pool))[0] for s in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-4)


def test_a_candidate_of_another_network_is_refused(
    convnet: onnx.ModelProto, layered: MakeModel, pool: ImagePool
) -> None:
    with pytest.raises(ModelError, match=r"the layer output 'c', which the baseline lacks \(repair\)\. Repair a compr"):
        fit(Reference(convnet, pool), layered())


def test_a_candidate_without_some_channels_is_refused_unless_a_batch_norm_serves_them(
    make_model: MakeModel, pool: ImagePool
) -> None:
    def network(*norm: onnx.NodeProto) -> onnx.ModelProto:
        nodes = [
            helper.make_node("Conv", ["input", "w", "b"], ["c"], "conv", pads=[1] * 4),
            *norm,
            helper.make_node("GlobalAveragePool", [norm[0].output[0] if norm else "c"], ["p"], "pool"),
            helper.make_node("Flatten", ["p"], ["f"], "flatten"),
            helper.make_node("Gemm", ["f", "wf"], ["logits"], "fc", transB=1),
        ]
        tensors = {"w": normal(8, 3, 3, 3), "b": normal(8), "wf": normal(5, 8)}
        if norm:
            tensors |= {"scale": normal(8), "shift": normal(8), "mean": normal(8), "var": np.ones(8, np.float32)}
        return make_model(nodes, tensors)

    options = StructuredOptions(fraction=0.5, scope="layer", multiple=1)
    plain = network()
    with pytest.raises(ModelError, match=r"all their channels, got 4 of 8 in 'w' \(repair\)\. Leave the repair out"):
        fit(Reference(plain, pool), structured_pruned(plain, options))
    normed = network(helper.make_node("BatchNormalization", ["c", "scale", "shift", "mean", "var"], ["n"], "bn"))
    found = fit(Reference(normed, pool), structured_pruned(normed, options))
    assert set(found.ratios(1.0)) == {"wf"}
    assert len(found.moments["c"].mean) == 4


def test_ratios_mix_with_the_strength_and_are_named_by_weight(convnet: onnx.ModelProto, pool: ImagePool) -> None:
    made = fit(Reference(convnet, pool), pruned(convnet))
    whole = made.ratios(1.0)
    assert set(whole) == {"w2", "w3"}
    assert any((ratio != 1).any() for ratio in whole.values())
    for name, ratio in made.ratios(0.25).items():
        np.testing.assert_allclose(ratio, 1 + 0.25 * (whole[name] - 1), rtol=1e-6)
    assert all((ratio == 1).all() for ratio in made.ratios(0.0).values())


def test_as_many_images_measure_at_once_as_the_largest_tensor_lets(
    convnet: onnx.ModelProto, pool: ImagePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = repairable_nodes(convnet)
    image = 8 * 8 * 8 * 4
    for bound, expected in ((10 * image, 10), (10 * image - 1, 9), (1, 2)):
        monkeypatch.setattr(channel_fit, "LARGEST_TENSOR_BYTES", bound)
        assert batch_size(convnet, nodes, pool) == expected


def test_progress_counts_the_images_of_both_models(layered: MakeModel, pool: ImagePool) -> None:
    told: list[tuple[float, str]] = []
    fit(Reference(layered(), pool), pruned(layered()), progress=lambda *step: told.append(step))
    # The baseline is the first half, the candidate the second.
    assert [share for share, _ in told] == [0.5, 1.0]
    assert {words for _, words in told} == {"repair: measuring channels"}
