"""Repair without labels: what it reaches, what it leaves alone, and that it knows when not to act."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.compress.calibration.channel_moments import Moments
from compress_onnx.compress.calibration.image_pool import ImagePool
from compress_onnx.compress.layers.repairable import repairable_nodes
from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.repair import channel_fit
from compress_onnx.compress.repair.channel_fit import Fit, fit
from compress_onnx.compress.repair.corrections import corrected, correction
from compress_onnx.compress.repair.reference import Reference
from compress_onnx.compress.repair.repair import repaired
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model.census.prunable import prunable_initializers
from compress_onnx.model.files import model_bytes
from compress_onnx.ort.tensors import tensor_runner

MakeModel = Callable[..., onnx.ModelProto]
CLASSES = 5


@pytest.fixture(scope="module")
def pictures() -> NDArray[np.float32]:
    """Return (96, 3, 8, 8) float32, not centered, so that means matter."""
    return np.random.default_rng(3).normal(0.4, 1.0, (96, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def pool(pictures: NDArray[np.float32], tmp_path: Path) -> ImagePool:
    return ImagePool([pictures[:50], pictures[50:]], tmp_path / "images")


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng((seed, *shape)).normal(0, 0.5, shape).astype(np.float32)


def arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def pruned(model: onnx.ModelProto, sparsity: float = 0.5) -> onnx.ModelProto:
    return prune_model(model, PruneOptions(sparsity=sparsity, scope="layer"))


def seen(model: onnx.ModelProto, names: list[str], images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the named tensors on images."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    copy.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    return tensor_runner(copy, names)(images)


def moments(tensor: NDArray[np.float32], axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = np.moveaxis(tensor.astype(np.float64), axis, 0).reshape(tensor.shape[axis], -1)
    return flat.mean(1), flat.std(1)


def layered(make_model: MakeModel, opset: int = 21) -> onnx.ModelProto:
    """Conv (grouped, no bias), ConvTranspose (grouped), depthwise Conv, Gemm (no transB, beta), MatMul, MatMul + Add."""
    tensors = {
        "w1": normal(6, 1, 3, 3),
        "wt": normal(6, 2, 2, 2),
        "bt": normal(4),
        "wd": normal(4, 1, 3, 3),
        "bd": normal(4),
        "wg": normal(4, 12),
        "bg": normal(12),
        "wm": normal(12, 10),
        "wa": normal(10, CLASSES),
        "ba": normal(CLASSES),
    }
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c"], group=3, pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["rc"]),
        helper.make_node("ConvTranspose", ["rc", "wt", "bt"], ["t"], group=2, strides=[2, 2]),
        helper.make_node("Relu", ["t"], ["rt"]),
        helper.make_node("Conv", ["rt", "wd", "bd"], ["d"], group=4),
        helper.make_node("Relu", ["d"], ["rd"]),
        helper.make_node("GlobalAveragePool", ["rd"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "wg", "bg"], ["g"], beta=2.0),
        helper.make_node("Relu", ["g"], ["rg"]),
        helper.make_node("MatMul", ["rg", "wm"], ["m"]),
        helper.make_node("Relu", ["m"], ["rm"]),
        helper.make_node("MatMul", ["rm", "wa"], ["a"]),
        helper.make_node("Add", ["a", "ba"], ["logits"]),
    ]
    return make_model(nodes, tensors, opset=opset)


AXES = {"c": 1, "t": 1, "d": 1, "g": 1, "m": 1, "logits": 1}


def measuring(pool: ImagePool) -> NDArray[np.float32]:
    return next(pool.batches(10**6, judging=False))


@pytest.mark.parametrize("opset", [7, 8, 13, 21])
def test_the_whole_repair_gives_every_layer_the_baselines_statistics(
    make_model: MakeModel, pool: ImagePool, opset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without bounds on the factor every living channel is met exactly.
    for module in ("repair.channel_statistics", "calibration.channel_moments"):
        monkeypatch.setattr(f"compress_onnx.compress.{module}.LARGEST_FACTOR", 1e6)
    model = layered(make_model, opset)
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


def test_repairing_what_lost_nothing_changes_no_logit(convnet: onnx.ModelProto, pictures: NDArray[np.float32]) -> None:
    outcome = repaired(convnet, convnet, lambda: [pictures])
    assert outcome.strength == 0.0
    assert (outcome.kl_before, outcome.kl_after, outcome.flips_after) == (0.0, 0.0, 0.0)
    assert outcome.n == 24
    np.testing.assert_array_equal(seen(outcome.model, ["logits"], pictures)[0], seen(convnet, ["logits"], pictures)[0])
    assert all((ratio == 1).all() for ratio in outcome.ratios.values())


@settings(max_examples=15)
@given(sparsity=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_zeros_stay_zero_and_divergence_never_grows(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32], sparsity: float, seed: int
) -> None:
    candidate = prune_model(convnet, PruneOptions(sparsity=round(sparsity, 2)))
    order = np.random.default_rng(seed).permutation(len(pictures))
    outcome = repaired(convnet, candidate, lambda: [pictures[order]])
    assert outcome.kl_after <= outcome.kl_before
    old, new = arrays(candidate), arrays(outcome.model)
    for name in prunable_initializers(candidate):
        np.testing.assert_array_equal(old[name] == 0, new[name] == 0)


def test_ratios_are_what_the_rows_were_multiplied_by(make_model: MakeModel, pictures: NDArray[np.float32]) -> None:
    model = layered(make_model)
    candidate = pruned(model, 0.6)
    outcome = repaired(model, candidate, lambda: [pictures])
    assert outcome.strength > 0
    assert outcome.kl_after < outcome.kl_before
    assert set(outcome.ratios) == {"w1", "wt", "wd", "wg", "wm", "wa"}
    old, new, ratios = arrays(candidate), arrays(outcome.model), outcome.ratios
    for name in ("w1", "wd"):
        np.testing.assert_allclose(new[name], old[name] * ratios[name][:, None, None, None], rtol=1e-5)
    for name in ("wg", "wm", "wa"):
        np.testing.assert_allclose(new[name], old[name] * ratios[name], rtol=1e-5)
    # ConvTranspose in two groups: input rows 0 to 2 give outputs 0 and 1, rows 3 to 5 outputs 2 and 3.
    by_row = np.repeat(ratios["wt"].reshape(2, 2), 3, axis=0)
    np.testing.assert_allclose(new["wt"], old["wt"] * by_row[:, :, None, None], rtol=1e-5)


def test_the_arguments_are_not_mutated(convnet: onnx.ModelProto, pictures: NDArray[np.float32]) -> None:
    candidate = pruned(convnet, 0.8)
    before = model_bytes(convnet), model_bytes(candidate)
    repaired(convnet, candidate, lambda: [pictures])
    assert (model_bytes(convnet), model_bytes(candidate)) == before


def test_the_outcome_does_not_depend_on_how_the_images_come(
    convnet: onnx.ModelProto, pictures: NDArray[np.float32]
) -> None:
    candidate = pruned(convnet, 0.8)
    at_once = repaired(convnet, candidate, lambda: [pictures])
    in_parts = repaired(convnet, candidate, lambda: (pictures[i : i + 7] for i in range(0, 96, 7)))
    assert model_bytes(at_once.model) == model_bytes(in_parts.model)


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


def test_shared_weights_are_left_alone(make_model: MakeModel, pictures: NDArray[np.float32]) -> None:
    nodes = [
        helper.make_node("Conv", ["input", "w"], ["c1"], pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w"], ["c2"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "wf", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(3, 3, 3, 3), "wf": normal(3, 5), "b": normal(5)})
    candidate = pruned(model)
    outcome = repaired(model, candidate, lambda: [pictures])
    assert set(outcome.ratios) == {"wf"}
    np.testing.assert_array_equal(arrays(outcome.model)["w"], arrays(candidate)["w"])


def test_a_bias_that_two_layers_share_is_not_changed_under_the_other(make_model: MakeModel, pool: ImagePool) -> None:
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


def test_a_dead_channel_keeps_its_zeros_and_gives_the_baselines_mean(convnet: onnx.ModelProto, pool: ImagePool) -> None:
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


def test_half_a_repair_mixes_the_outputs_of_none_and_all(make_model: MakeModel, pool: ImagePool) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(192, 5), "b": normal(5)})
    made: Fit = fit(Reference(model, pool), pruned(model))
    none, half, whole = (seen(made.at(s), ["logits"], measuring(pool))[0] for s in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-4)


def test_class_ordered_images_give_batches_like_the_whole(tmp_path: Path) -> None:
    ordered = np.repeat(np.arange(4, dtype=np.float32), 64)[:, None, None, None]
    pool = ImagePool([ordered], tmp_path / "images")
    batches = list(pool.batches(48, judging=False))
    assert [len(batch) for batch in batches] == [48] * 4
    assert [float(batch.mean()) for batch in batches] == pytest.approx([1.5] * 4, abs=0.05)
    judges = np.concatenate(list(pool.batches(10, judging=True)))
    assert len(judges) == pool.size(judging=True) == 64
    assert float(judges.mean()) == 1.5


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "at least 8 calibration images, got 0"),
        ([np.zeros((7, 3, 8, 8), np.float32)], "at least 8 calibration images, got 7"),
        ([np.full((9, 3, 8, 8), np.nan, np.float32)], "finite calibration inputs"),
        ([np.zeros((9, 3, 8, 8))], "float32 calibration images of rank 4, got float64"),
        ([np.zeros((9, 3, 8, 8), np.float32), np.zeros((9, 3, 4, 8), np.float32)], r"images of shape \(3, 8, 8\)"),
    ],
)
def test_images_that_cannot_measure_are_refused(
    convnet: onnx.ModelProto, batches: list[NDArray[Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        repaired(convnet, convnet, lambda: batches)


def test_images_of_other_channels_are_refused(convnet: onnx.ModelProto) -> None:
    with pytest.raises(ModelError, match="repair"):
        repaired(convnet, convnet, lambda: [np.zeros((9, 1, 8, 8), np.float32)])


def test_a_candidate_of_another_network_is_refused(
    convnet: onnx.ModelProto, make_model: MakeModel, pictures: NDArray[np.float32]
) -> None:
    with pytest.raises(ModelError, match="the layer output 'c', which the baseline lacks"):
        repaired(convnet, layered(make_model), lambda: [pictures])


def test_a_file_of_fixed_batch_is_repaired_too(make_model: MakeModel, pictures: NDArray[np.float32]) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"]),
    ]
    model = make_model(nodes, {"w": normal(192, 5), "b": normal(5)}, batch=1)
    outcome = repaired(model, pruned(model, 0.7), lambda: [pictures])
    assert outcome.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    assert outcome.kl_after < outcome.kl_before


def test_progress_goes_from_start_to_end(convnet: onnx.ModelProto, pictures: NDArray[np.float32]) -> None:
    told: list[float] = []
    repaired(convnet, pruned(convnet), lambda: [pictures], progress=lambda fraction, _: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0


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
