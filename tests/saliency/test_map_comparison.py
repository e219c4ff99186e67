"""A pass over the samples gives what comparing all maps at once gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx.errors import ModelError  # noqa: E402  # after the skips
from compress_onnx.extension_points import attributions  # noqa: E402
from compress_onnx.metrics.saliency.similarity import mean_absolute_deviation, normalized  # noqa: E402
from compress_onnx.records.saliency import ShiftVerdict  # noqa: E402
from compress_onnx.saliency import batching  # noqa: E402
from compress_onnx.saliency.floor_ceiling import explained_with_anchors, noise_amplitude  # noqa: E402
from compress_onnx.saliency.map_comparison import compare_maps, explained_pairs  # noqa: E402
from compress_onnx.saliency.task import SaliencyTask, in_batches  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402

if "gradient" not in attributions():
    pytest.skip("the package is not installed, so it has no entry points", allow_module_level=True)

N = 20


def changed(model: onnx.ModelProto, change: Any) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == "7.weight")
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
    return copy


def task_on(images: Any, targets: Any, **more: Any) -> SaliencyTask:
    return SaliencyTask(
        batches=in_batches(images),
        targets=targets,
        target="baseline",
        method="gradient",
        noise_amplitude=noise_amplitude([0.25] * 3),
        **more,
    )


def gradient_maps(twin: Any, images: Any, targets: Any) -> Any:
    """The largest over channels of the absolute gradient of the target's logit, by autograd alone."""
    leaf = torch.from_numpy(images).requires_grad_()
    twin(leaf).gather(1, torch.from_numpy(targets)[:, None]).sum().backward()
    return leaf.grad.abs().amax(dim=1).numpy()


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three batches, the last of which is not full."""
    monkeypatch.setattr(batching, "BATCH", 8)


@pytest.fixture
def twins(small: Any) -> tuple[Any, Any]:
    return build_twin(small.model), build_twin(changed(small.model, lambda weight: weight[::-1].copy()))


@pytest.fixture
def task(small: Any) -> SaliencyTask:
    return task_on(small.images[:N], np.arange(N) % 5)


def compared(task: SaliencyTask, twins: Any, **more: Any) -> Any:
    baseline = explained_with_anchors(twins[0], task, rng=np.random.default_rng(0))
    return compare_maps(task, baseline, twins[1], rng=np.random.default_rng(1), **more)


def test_numbers_per_sample_are_those_of_maps_made_by_autograd(small: Any, task: SaliencyTask, twins: Any) -> None:
    outcome = compared(task, twins)
    before, after = (gradient_maps(twin, small.images[:N], task.targets) for twin in twins)
    np.testing.assert_allclose(
        outcome.similarities.mean_absolute_deviation, mean_absolute_deviation(before, after), atol=1e-6
    )
    assert len(outcome.coarse_differences) == N
    np.testing.assert_allclose(
        outcome.mean_shift.maps().difference, (normalized(after) - normalized(before)).mean(axis=0), atol=1e-5
    )


def test_pairs_come_in_the_order_asked_for_scaled_to_their_own_largest(
    small: Any, task: SaliencyTask, twins: Any
) -> None:
    rows = np.array([17, 0, 17])
    pairs = compared(task, twins).pairs(rows)
    for maps, twin in ((pairs.baseline, twins[0]), (pairs.candidate, twins[1])):
        expected = normalized(gradient_maps(twin, small.images[:N], task.targets)[rows])
        np.testing.assert_allclose(maps, expected, atol=1e-5)
        assert (maps.dtype, maps.min() >= 0, maps.max() <= 1) == (np.float32, True, True)
    np.testing.assert_allclose(pairs.deviation, mean_absolute_deviation(pairs.baseline, pairs.candidate), atol=1e-6)


def test_no_rows_give_no_pairs(task: SaliencyTask, twins: Any) -> None:
    pairs = compared(task, twins).pairs(np.zeros(0, np.int64))
    assert pairs.baseline.shape == pairs.candidate.shape == (0, 12, 12)
    assert pairs.deviation.shape == (0,)


def test_a_model_beside_itself_has_not_moved(task: SaliencyTask, twins: Any) -> None:
    outcome = compared(task, (twins[0], twins[0]))
    assert not outcome.similarities.mean_absolute_deviation.any()
    assert not outcome.coarse_differences.any()
    assert outcome.systematic(task, np.random.default_rng(0)).verdict is ShiftVerdict.NOT_SYSTEMATIC


def test_flat_maps_are_counted_over_all_batches(small: Any, task: SaliencyTask, twins: Any) -> None:
    dead = build_twin(changed(small.model, lambda weight: weight * 0))
    assert compared(task, (twins[0], dead)).flat == N
    assert compared(task, twins).flat == 0


def test_classes_carry_their_names_or_else_their_numbers(task: SaliencyTask, twins: Any) -> None:
    outcome = compared(task, twins)
    rng = np.random.default_rng(0)
    assert [one.class_name for one in outcome.systematic(task, rng).classes] == ["0", "1", "2", "3", "4"]
    named = dataclasses.replace(task, classes=np.arange(N) % 2, class_names=("even", "odd"))
    assert {one.class_name: one.n for one in outcome.systematic(named, rng).classes} == {"even": 10, "odd": 10}


def test_the_same_seed_draws_the_same_signs(task: SaliencyTask, twins: Any) -> None:
    first, second = (compared(task, twins).systematic(task, np.random.default_rng(2)) for _ in range(2))
    assert first == second


def test_progress_ends_with_the_last_sample(task: SaliencyTask, twins: Any) -> None:
    fractions: list[float] = []
    compared(task, twins, progress=lambda fraction, _: fractions.append(fraction))
    assert fractions == [8 / 20, 16 / 20, 1.0]


def test_a_map_that_is_not_finite_is_refused(small: Any, task: SaliencyTask, twins: Any) -> None:
    def with_a_hole(weight: Any) -> Any:
        broken = weight.copy()
        broken[0, 0] = np.nan
        return broken

    broken = build_twin(changed(small.model, with_a_hole))
    with pytest.raises(ModelError, match="finite"):
        compared(task, (twins[0], broken))


def test_a_few_samples_beside_the_others_are_explained_under_both(small: Any, twins: Any) -> None:
    images, targets = small.images[30:39], np.arange(9) % 5
    pairs = explained_pairs(task_on(images, targets), *twins)
    assert pairs is not None
    before, after = (gradient_maps(twin, images, targets) for twin in twins)
    np.testing.assert_allclose(pairs.deviation, mean_absolute_deviation(before, after), atol=1e-6)
    np.testing.assert_allclose(pairs.baseline, normalized(before), atol=1e-5)
    np.testing.assert_allclose(pairs.candidate, normalized(after), atol=1e-5)


def test_without_such_samples_there_are_no_pairs(small: Any, twins: Any) -> None:
    assert explained_pairs(None, *twins) is None
    assert explained_pairs(task_on(small.images[:0], np.zeros(0, np.int64)), *twins) is None
