from __future__ import annotations

import dataclasses
import weakref
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

torch = pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx.errors import DataError, UnknownNameError  # noqa: E402  # after the skips
from compress_onnx.extension_points import attributions  # noqa: E402
from compress_onnx.metrics.saliency.group import map_similarities  # noqa: E402
from compress_onnx.metrics.saliency.similarity import mean_absolute_deviation, normalized  # noqa: E402
from compress_onnx.records.saliency import ShiftVerdict  # noqa: E402
from compress_onnx.saliency.attribution.gradients import gradient  # noqa: E402
from compress_onnx.saliency.attribution.maps import batch_maps  # noqa: E402
from compress_onnx.saliency.fidelity import UNTESTED  # noqa: E402
from compress_onnx.saliency.floor_ceiling import noise_amplitude  # noqa: E402
from compress_onnx.saliency.shift import SaliencyCandidate, explain_baseline, telling_examples  # noqa: E402
from compress_onnx.saliency.task import SaliencyTask, in_batches  # noqa: E402
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


def task_on(images: Any, targets: Any) -> SaliencyTask:
    return SaliencyTask(
        batches=in_batches(images),
        targets=targets,
        target="baseline",
        method="gradient",
        noise_amplitude=noise_amplitude([0.25, 0.25, 0.25]),
    )


@pytest.fixture(scope="module")
def task(small: Any, logits: Any) -> SaliencyTask:
    return task_on(small.images, logits.argmax(axis=1))


@pytest.fixture(scope="module")
def explained(small: Any, logits: Any, task: SaliencyTask) -> Any:
    return explain_baseline(small.model, logits, task, rng=rng())


def candidate(small: Any, explained: Any, model: Any, runtime: Any, **more: Any) -> SaliencyCandidate:
    logits = runtime(model, small.images[: len(explained.task)])
    return SaliencyCandidate(
        model=model, logits=logits, flipped=logits.argmax(axis=1) != explained.task.targets, **more
    )


@pytest.fixture
def against(small: Any, explained: Any, runtime: Any) -> Any:
    """Hold a model against the explained baseline: ``against(model, keep=rows)``."""

    def held(model: Any, *, baseline: Any = explained, progress: Any = None, **more: Any) -> Any:
        told = {} if progress is None else {"progress": progress}
        return baseline.against(candidate(small, baseline, model, runtime, **more), rng=rng(), **told)

    return held


def maps_of(model: Any, images: Any, targets: Any) -> Any:
    return batch_maps(gradient, build_twin(model), images, targets)


@pytest.fixture(scope="module")
def other(small: Any) -> Any:
    """A model that flips some predictions."""
    return changed(small.model, "7.weight", lambda weight: weight[::-1].copy())


MEASURES = ("mean_absolute_deviation", "spearman", "top_k_overlap", "ssim", "cosine", "center_shift")


def test_the_anchors_stand_in_order_by_every_measure(explained: Any) -> None:
    assert explained.fidelity.accepted
    for name in MEASURES:
        low, high = getattr(explained.floor, name).value, getattr(explained.ceiling, name).value
        assert (low < high) == (name in {"mean_absolute_deviation", "center_shift"})


def test_the_floor_is_the_baseline_under_noise(small: Any, explained: Any, task: SaliencyTask) -> None:
    quiet = dataclasses.replace(task, noise_amplitude=np.zeros(3, np.float32))
    logits = np.eye(5, dtype=np.float32)[task.targets]
    still = explain_baseline(small.model, logits, quiet, rng=rng())
    assert still.floor.mean_absolute_deviation.value == 0
    assert 0 < explained.floor.mean_absolute_deviation.value < 0.1


def test_the_baseline_against_itself_has_not_moved(small: Any, against: Any) -> None:
    shift = against(small.model).shift
    assert shift.over_all.mean_absolute_deviation.value == 0
    assert shift.over_all.spearman.value == pytest.approx(1)
    assert shift.undefined_reason is None
    assert shift.scale_position.value < 0
    assert shift.systematic.verdict is ShiftVerdict.NOT_SYSTEMATIC


def test_without_flips_their_group_is_none_with_the_reason(small: Any, against: Any) -> None:
    shift = against(small.model).shift
    assert (shift.over_flipped, shift.over_flipped_undefined_reason) == (None, "no explained sample has another class")
    assert shift.over_same.n == 40
    assert shift.over_same_undefined_reason is None


@pytest.mark.cpu
def test_a_quantized_model_lies_between_the_anchors(explained: Any, quantized: Any, against: Any) -> None:
    shift = against(quantized).shift
    assert 0 < shift.scale_position.value < 1
    assert shift.scale_position.interval.low < shift.scale_position.value < shift.scale_position.interval.high
    assert (shift.floor, shift.ceiling) == (explained.floor, explained.ceiling)
    assert shift.noise_floor == explained.floor.mean_absolute_deviation.value
    assert shift.randomized_ceiling == explained.ceiling.mean_absolute_deviation.value
    assert (shift.method, shift.target, shift.n) == ("gradient", "baseline", 40)


def test_figures_are_those_of_maps_compared_at_once(
    small: Any, other: Any, task: SaliencyTask, against: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compress_onnx.saliency.batching.BATCH", 16)
    outcome = against(other)
    before, after = (maps_of(model, small.images, task.targets) for model in (small.model, other))
    expected = map_similarities(before, after)
    np.testing.assert_allclose(outcome.deviation, expected.mean_absolute_deviation, atol=1e-6)
    shift = outcome.shift
    flipped = outcome.shift.over_flipped.n
    assert (0 < flipped < 40, shift.over_all.n, shift.over_same.n) == (True, 40, 40 - flipped)
    for name in MEASURES:
        assert getattr(shift.over_all, name).value == pytest.approx(getattr(expected, name).mean(), abs=1e-5)
    np.testing.assert_allclose(
        outcome.means.difference, (normalized(after) - normalized(before)).mean(axis=0), atol=1e-5
    )


def test_only_the_kept_maps_come_out_in_the_order_asked_for(
    small: Any, task: SaliencyTask, quantized: Any, against: Any
) -> None:
    keep = np.array([31, 2])
    outcome = against(quantized, keep=keep)
    for found, model in ((outcome.kept_maps.baseline, small.model), (outcome.kept_maps.candidate, quantized)):
        np.testing.assert_allclose(found, normalized(maps_of(model, small.images, task.targets)[keep]), atol=1e-5)
    np.testing.assert_allclose(outcome.kept_maps.deviation, outcome.deviation[keep], atol=1e-6)


def test_samples_that_are_only_shown_have_maps_and_count_nowhere(
    small: Any, logits: Any, other: Any, runtime: Any, against: Any
) -> None:
    targets = logits.argmax(axis=1)
    baseline = explain_baseline(small.model, logits[:25], task_on(small.images[:25], targets[:25]), rng=rng())
    others = task_on(small.images[30:33], targets[30:33])
    with_others, without = (against(other, baseline=baseline, others=more) for more in (others, None))
    assert with_others.shift == without.shift
    assert with_others.shift.n == len(with_others.deviation) == 25
    pair = [maps_of(model, small.images[30:33], targets[30:33]) for model in (small.model, other)]
    np.testing.assert_allclose(with_others.others.deviation, mean_absolute_deviation(*pair), atol=1e-6)
    assert without.others is None


def test_examples_are_the_median_and_the_largest_deviation(other: Any, against: Any) -> None:
    outcome = against(other)
    median, largest = outcome.examples
    assert outcome.deviation[largest] == outcome.deviation.max()
    assert np.sum(outcome.deviation < outcome.deviation[median]) == 19
    np.testing.assert_allclose(outcome.example_maps.deviation, outcome.deviation[outcome.examples], atol=1e-6)


@pytest.mark.parametrize(("deviation", "rows"), [([0.3], [0]), ([0.2, 0.2], [0]), ([0.0, 1.0, 0.5, 0.4], [3, 1])])
def test_examples_of_few_samples(deviation: list[float], rows: list[int]) -> None:
    assert telling_examples(np.array(deviation)).tolist() == rows


def test_one_sample_has_figures_without_intervals(small: Any, logits: Any, quantized: Any, against: Any) -> None:
    alone = explain_baseline(small.model, logits[:1], task_on(small.images[:1], logits[:1].argmax(axis=1)), rng=rng())
    shift = against(quantized, baseline=alone).shift
    assert (shift.n, shift.over_all.mean_absolute_deviation.interval, shift.scale_position.interval) == (1, None, None)
    assert shift.systematic.verdict is ShiftVerdict.UNDECIDED
    assert "at least 10 samples" in shift.systematic.undefined_reason


def test_classes_are_summarized_by_label_or_else_by_target(
    small: Any, logits: Any, task: SaliencyTask, quantized: Any, against: Any
) -> None:
    by_target = against(quantized).shift.systematic.classes
    assert {one.class_name: one.n for one in by_target} == {
        str(label): int(n) for label, n in zip(*np.unique(task.targets, return_counts=True), strict=True)
    }
    labeled = dataclasses.replace(task, classes=np.arange(40) % 2, class_names=("even", "odd"))
    explained = explain_baseline(small.model, logits, labeled, rng=rng())
    by_label = against(quantized, baseline=explained).shift.systematic.classes
    assert [(one.class_name, one.n) for one in by_label] == [("even", 20), ("odd", 20)]


def test_a_shift_of_all_maps_in_one_way_is_systematic(small: Any, against: Any) -> None:
    # The head no longer sees the left third of the picture.
    left = np.arange(144) % 3 == 0
    blind = changed(small.model, "7.weight", lambda weight: np.where(left, 0, weight).astype(np.float32))
    found = against(blind).shift.systematic
    assert found.verdict is ShiftVerdict.SYSTEMATIC
    assert found.effect.value > 0.2


def test_copies_that_overflow_are_a_reason_and_the_comparison_goes_on(
    small: Any, task: SaliencyTask, quantized: Any, against: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def huge(module: Any, _: Any) -> Any:
        twin = build_twin(small.model)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.mul_(1e30)
        return twin

    monkeypatch.setattr("compress_onnx.saliency.floor_ceiling.redrawn", huge)
    logits = np.eye(5, dtype=np.float32)[task.targets]
    explained = explain_baseline(small.model, logits, task, rng=rng())
    shift = against(quantized, baseline=explained).shift
    assert (shift.ceiling, shift.randomized_ceiling) == (None, None)
    assert shift.ceiling_undefined_reason == shift.scale_position.undefined_reason == shift.scale.ssim.undefined_reason
    assert shift.ceiling_undefined_reason.startswith("The copy with re-drawn weights has no maps: Expected finite")
    assert shift.over_all.mean_absolute_deviation.value > shift.noise_floor


def test_the_same_seed_gives_the_same_record(
    small: Any, logits: Any, task: SaliencyTask, quantized: Any, against: Any
) -> None:
    first, second = (
        against(quantized, baseline=explain_baseline(small.model, logits, task, rng=rng())).shift for _ in range(2)
    )
    assert first == second


def test_a_candidate_whose_twin_does_not_agree_gets_a_reason_instead_of_numbers(small: Any, explained: Any) -> None:
    wrong = np.roll(np.eye(5, dtype=np.float32)[explained.task.targets], 1, axis=1)
    outcome = explained.against(
        SaliencyCandidate(model=small.model, logits=wrong, flipped=np.zeros(40, bool)), rng=rng()
    )
    assert "0.00% of 40 samples" in outcome.shift.undefined_reason
    assert not outcome.shift.fidelity_candidate.accepted
    assert (outcome.shift.over_all, outcome.deviation, outcome.kept_maps, outcome.means) == (None,) * 4
    shift = outcome.shift
    reasons = {shift.scale_position.undefined_reason, shift.systematic.effect.undefined_reason}
    assert reasons == {shift.undefined_reason}


def unsupported(model: Any) -> Any:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.node[1].op_type = "NonZero"
    return copy


def test_an_unsupported_candidate_gets_a_reason_instead_of_numbers(small: Any, explained: Any, logits: Any) -> None:
    given = SaliencyCandidate(model=unsupported(small.model), logits=logits, flipped=np.zeros(40, bool))
    shift = explained.against(given, rng=rng()).shift
    assert shift.undefined_reason.startswith("Candidate: Expected an operator that the PyTorch twin computes")
    assert shift.fidelity_candidate == UNTESTED


def test_an_unsupported_baseline_gives_every_candidate_the_reason(
    small: Any, logits: Any, task: SaliencyTask, against: Any
) -> None:
    explained = explain_baseline(unsupported(small.model), logits, task, rng=rng())
    assert explained.explained is None
    shift = against(small.model, baseline=explained).shift
    assert "Baseline: " in shift.undefined_reason
    assert "NonZero (node '/1/Relu')" in shift.undefined_reason


def test_no_samples_are_a_reason(small: Any, logits: Any) -> None:
    nothing = explain_baseline(small.model, logits[:0], task_on(small.images[:0], np.zeros(0, np.int64)), rng=rng())
    given = SaliencyCandidate(model=small.model, logits=logits[:0], flipped=np.zeros(0, bool))
    shift = nothing.against(given, rng=rng()).shift
    assert (shift.undefined_reason, shift.n) == ("No samples were chosen.", 0)


def test_a_dead_network_has_flat_maps_that_have_not_moved(
    small: Any, task: SaliencyTask, runtime: Any, against: Any
) -> None:
    dead = changed(small.model, "7.weight", lambda weight: weight * 0)
    explained = explain_baseline(dead, runtime(dead, small.images), task, rng=rng())
    shift = against(dead, baseline=explained).shift
    assert (shift.over_all.mean_absolute_deviation.value, shift.over_all.spearman.value) == (0, 1)
    assert (shift.flat_baseline, shift.flat_candidate) == (40, 40)
    assert shift.scale_position.undefined_reason == "the randomized ceiling does not lie beyond the noise floor"
    assert shift.systematic.verdict is ShiftVerdict.NOT_SYSTEMATIC


@pytest.mark.parametrize("target", [-1, 5])
def test_a_target_that_is_no_class_is_refused(small: Any, logits: Any, task: SaliencyTask, target: int) -> None:
    wrong = dataclasses.replace(task, targets=np.full(40, target))
    with pytest.raises(DataError, match=f"target classes from 0 to 4, got targets from {target}"):
        explain_baseline(small.model, logits, wrong, rng=rng())


def test_targets_and_logits_must_belong_together(small: Any, logits: Any, task: SaliencyTask) -> None:
    with pytest.raises(DataError, match="40 targets, 40 classes, 39 rows of logits"):
        explain_baseline(small.model, logits[:39], task, rng=rng())


@pytest.mark.parametrize("n", [39, 32, 41])
def test_inputs_and_targets_must_belong_together(small: Any, logits: Any, task: SaliencyTask, n: int) -> None:
    images = np.concatenate([small.images, small.images])[:n]
    with pytest.raises(DataError, match=f"40 targets for {n} samples"):
        explain_baseline(small.model, logits, dataclasses.replace(task, batches=in_batches(images)), rng=rng())


def test_an_unknown_method_is_told_before_any_work(small: Any, logits: Any, task: SaliencyTask) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean gradient"):
        explain_baseline(small.model, logits, dataclasses.replace(task, method="gradiant"), rng=rng())


def test_progress_rises_to_the_end(small: Any, logits: Any, task: SaliencyTask, against: Any) -> None:
    told: list[float] = []

    def progress(fraction: float, _: str) -> None:
        told.append(fraction)

    explained = explain_baseline(small.model, logits, task, rng=rng(), progress=progress)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    told.clear()
    against(small.model, baseline=explained, progress=progress)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)


def test_memory_holds_one_batch_of_inputs(small: Any, logits: Any, task: SaliencyTask, against: Any) -> None:
    """Batches are asked for one after the other, and none is kept."""
    alive: list[Any] = []

    def batches(size: int) -> Any:
        for start in range(0, 40, 8):
            batch = small.images[start : start + 8].copy()
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            # The loop that was given the batch may still hold it, and no one else.
            assert sum(one() is not None for one in alive) <= 1

    explained = explain_baseline(small.model, logits, dataclasses.replace(task, batches=batches), rng=rng())
    against(small.model, baseline=explained)
    assert len(alive) == 4 * 5
