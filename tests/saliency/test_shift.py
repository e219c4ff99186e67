from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx.errors import DataError, UnknownNameError  # noqa: E402  # after the skips
from compress_onnx.extension_points import attributions  # noqa: E402
from compress_onnx.metrics.saliency_similarity import mean_absolute_deviation, normalised  # noqa: E402
from compress_onnx.saliency.anchors import noise_amplitude  # noqa: E402
from compress_onnx.saliency.attribution import batch_maps, gradient  # noqa: E402
from compress_onnx.saliency.fidelity import UNTESTED  # noqa: E402
from compress_onnx.saliency.shift import explain_baseline  # noqa: E402
from compress_onnx.saliency.task import SaliencyTask  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402

if "gradient" not in attributions():
    pytest.skip("the package is not installed, so it has no entry points", allow_module_level=True)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def changed(model: onnx.ModelProto, name: str, change: Any) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), name))
    return copy


@pytest.fixture(scope="module")
def logits(small: Any, runtime: Any) -> Any:
    return runtime(small.model, small.images)


@pytest.fixture(scope="module")
def task(small: Any, logits: Any) -> SaliencyTask:
    return SaliencyTask(
        inputs=small.images,
        targets=logits.argmax(axis=1),
        target="baseline",
        method="gradient",
        noise_amplitude=noise_amplitude([0.25, 0.25, 0.25]),
        keep=np.array([31, 2]),
    )


@pytest.fixture(scope="module")
def explained(small: Any, logits: Any, task: SaliencyTask) -> Any:
    return explain_baseline(small.model, logits, task, rng=rng())


def against(explained: Any, model: Any, runtime: Any, **options: Any) -> Any:
    logits = runtime(model, explained.task.inputs)
    flipped = logits.argmax(axis=1) != explained.task.targets
    return explained.against(model, logits, flipped=flipped, rng=rng(), **options)


def test_the_anchors_stand_in_order(explained: Any) -> None:
    assert explained.fidelity.accepted
    assert 0 < explained.noise_floor < explained.randomised_ceiling < 1


def test_the_baseline_against_itself_has_not_moved(small: Any, explained: Any, runtime: Any) -> None:
    outcome = against(explained, small.model, runtime)
    assert outcome.shift.over_all.mean_absolute_deviation.value == 0
    assert outcome.shift.over_all.spearman.value == pytest.approx(1)
    assert outcome.shift.over_flipped is None
    assert outcome.shift.undefined_reason is None


def test_a_quantised_model_lies_between_the_anchors(explained: Any, quantised: Any, runtime: Any) -> None:
    shift = against(explained, quantised, runtime).shift
    value = shift.over_all.mean_absolute_deviation.value
    assert explained.noise_floor < value < explained.randomised_ceiling
    assert shift.noise_floor == explained.noise_floor
    assert (shift.method, shift.target, shift.n) == ("gradient", "baseline", 40)


def test_deviation_and_groups_are_those_of_maps_compared_at_once(
    small: Any, explained: Any, runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compress_onnx.saliency.batching.BATCH", 16)
    other = changed(small.model, "7.weight", lambda weight: weight[::-1].copy())
    outcome = against(explained, other, runtime)
    flipped = runtime(other, small.images).argmax(axis=1) != explained.task.targets
    assert 0 < flipped.sum() < 40
    maps = batch_maps(gradient, build_twin(other), small.images, explained.task.targets)
    expected = mean_absolute_deviation(explained.maps, maps)
    np.testing.assert_allclose(outcome.deviation, expected, atol=1e-6)
    for group, mask in (("over_all", flipped | True), ("over_same", ~flipped), ("over_flipped", flipped)):
        found = getattr(outcome.shift, group)
        assert found.n == mask.sum()
        assert found.mean_absolute_deviation.value == pytest.approx(expected[mask].mean(), abs=1e-6)


def test_only_the_kept_maps_come_out_in_the_order_asked_for(explained: Any, quantised: Any, runtime: Any) -> None:
    outcome = against(explained, quantised, runtime)
    keep = explained.task.keep
    maps = batch_maps(gradient, build_twin(quantised), explained.task.inputs, explained.task.targets)
    np.testing.assert_allclose(outcome.kept_candidate, normalised(maps[keep]), atol=1e-5)
    np.testing.assert_allclose(outcome.kept_baseline, normalised(explained.maps[keep]), atol=1e-6)
    shown = np.abs(outcome.kept_baseline - outcome.kept_candidate).mean(axis=(1, 2))
    np.testing.assert_allclose(shown, outcome.deviation[keep], atol=1e-5)


def test_samples_that_are_only_shown_count_neither_in_groups_nor_in_anchors(
    small: Any, logits: Any, task: SaliencyTask, quantised: Any, runtime: Any
) -> None:
    counted = np.arange(40) < 25
    partly = dataclasses.replace(task, counted=counted)
    only = dataclasses.replace(task, inputs=task.inputs[:25], targets=task.targets[:25], keep=np.array([2]))
    mixed = explain_baseline(small.model, logits, partly, rng=rng())
    alone = explain_baseline(small.model, logits[:25], only, rng=rng())
    # The noise is drawn row by row: the first 25 samples get the same in both.
    assert mixed.noise_floor == pytest.approx(alone.noise_floor, abs=1e-6)
    assert mixed.randomised_ceiling == pytest.approx(alone.randomised_ceiling, abs=1e-2)
    outcome = against(mixed, quantised, runtime)
    assert outcome.shift.n == outcome.shift.over_all.n == 25
    assert outcome.shift.over_all.mean_absolute_deviation.value == pytest.approx(outcome.deviation[:25].mean())
    assert len(outcome.deviation) == 40


def test_keeping_none_is_fine(small: Any, logits: Any, task: SaliencyTask, runtime: Any) -> None:
    without = dataclasses.replace(task, keep=np.zeros(0, np.int64))
    outcome = against(explain_baseline(small.model, logits, without, rng=rng()), small.model, runtime)
    assert outcome.kept_candidate.shape == outcome.kept_baseline.shape == (0, 12, 12)


def test_the_same_seed_gives_the_same_record(
    small: Any, logits: Any, task: SaliencyTask, quantised: Any, runtime: Any
) -> None:
    first, second = (
        against(explain_baseline(small.model, logits, task, rng=rng()), quantised, runtime).shift for _ in range(2)
    )
    assert first == second


def test_a_candidate_whose_twin_does_not_agree_gets_a_reason_instead_of_numbers(small: Any, explained: Any) -> None:
    wrong = np.roll(np.eye(5, dtype=np.float32)[explained.task.targets], 1, axis=1)
    outcome = explained.against(small.model, wrong, flipped=np.zeros(40, bool), rng=rng())
    assert "0.00% of 40 samples" in outcome.shift.undefined_reason
    assert not outcome.shift.fidelity_candidate.accepted
    assert (outcome.shift.over_all, outcome.deviation, outcome.kept_candidate) == (None, None, None)


def test_an_unsupported_candidate_gets_a_reason_instead_of_numbers(small: Any, explained: Any, logits: Any) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(small.model)
    other.graph.node[1].op_type = "NonZero"
    outcome = explained.against(other, logits, flipped=np.zeros(40, bool), rng=rng())
    assert outcome.shift.undefined_reason.startswith("Candidate: Expected an operator that the PyTorch twin computes")
    assert outcome.shift.fidelity_candidate == UNTESTED


def test_an_unsupported_baseline_gives_every_candidate_the_reason(
    small: Any, logits: Any, task: SaliencyTask, runtime: Any
) -> None:
    other = onnx.ModelProto()
    other.CopyFrom(small.model)
    other.graph.node[1].op_type = "NonZero"
    explained = explain_baseline(other, logits, task, rng=rng())
    assert explained.maps is None
    shift = against(explained, small.model, runtime).shift
    assert "Baseline: " in shift.undefined_reason
    assert "NonZero (node '/1/Relu')" in shift.undefined_reason


def test_no_samples_are_a_reason(small: Any, logits: Any, task: SaliencyTask) -> None:
    empty = np.zeros(0, np.int64)
    nothing = dataclasses.replace(task, inputs=small.images[:0], targets=empty, keep=empty)
    explained = explain_baseline(small.model, logits[:0], nothing, rng=rng())
    outcome = explained.against(small.model, logits[:0], flipped=np.zeros(0, bool), rng=rng())
    assert outcome.shift.undefined_reason == "No samples were chosen."
    assert outcome.shift.n == 0


def test_a_dead_baseline_has_flat_maps_whose_deviation_is_zero(small: Any, task: SaliencyTask, runtime: Any) -> None:
    dead = changed(small.model, "7.weight", lambda weight: weight * 0)
    explained = explain_baseline(dead, runtime(dead, small.images), task, rng=rng())
    shift = against(explained, dead, runtime).shift
    assert shift.over_all.mean_absolute_deviation.value == 0
    assert shift.over_all.spearman.value is None


@pytest.mark.parametrize("target", [-1, 5])
def test_a_target_that_is_no_class_is_refused(small: Any, logits: Any, task: SaliencyTask, target: int) -> None:
    wrong = dataclasses.replace(task, targets=np.full(40, target))
    with pytest.raises(DataError, match=f"target classes from 0 to 4, got targets from {target}"):
        explain_baseline(small.model, logits, wrong, rng=rng())


def test_inputs_and_logits_must_belong_together(small: Any, logits: Any, task: SaliencyTask) -> None:
    with pytest.raises(DataError, match="40 inputs, 40 targets, 39 rows of logits"):
        explain_baseline(small.model, logits[:39], task, rng=rng())


def test_an_unknown_method_is_told_before_any_work(small: Any, logits: Any, task: SaliencyTask) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean gradient"):
        explain_baseline(small.model, logits, dataclasses.replace(task, method="gradiant"), rng=rng())


def test_progress_rises_to_the_end(small: Any, logits: Any, task: SaliencyTask, runtime: Any) -> None:
    told: list[float] = []

    def progress(fraction: float, _: str) -> None:
        told.append(fraction)

    explained = explain_baseline(small.model, logits, task, rng=rng(), progress=progress)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    told.clear()
    against(explained, small.model, runtime, progress=progress)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
