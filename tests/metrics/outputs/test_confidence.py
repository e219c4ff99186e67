from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import softmax

from compress_onnx.metrics.outputs.confidence import calibration_errors, change_histogram, confidence_shift
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.reliability import equal_mass_bins, expected_calibration_error, weighted_gap

sklearn_metrics = pytest.importorskip("sklearn.metrics")
brier_score_loss = sklearn_metrics.brier_score_loss
log_loss = sklearn_metrics.log_loss


def test_calibration_error_agrees_with_torchmetrics(make_pair: Callable[..., LogitPair]) -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    torch.set_num_threads(1)
    pair = make_pair()
    shift = confidence_shift(pair)
    for outputs, measure in ((pair.baseline, shift.ece_baseline), (pair.candidate, shift.ece_candidate)):
        probabilities = torch.from_numpy(softmax(outputs.astype(np.float64), axis=1))
        reference = classification.multiclass_calibration_error(
            probabilities, torch.from_numpy(pair.labels), num_classes=5, n_bins=15, norm="l1"
        )
        assert measure.value == pytest.approx(float(reference), abs=1e-6)


def test_nll_agrees_with_scikit_learn(make_pair: Callable[..., LogitPair]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    pair = make_pair()
    shift = confidence_shift(pair)
    for outputs, measure in ((pair.baseline, shift.nll_baseline), (pair.candidate, shift.nll_candidate)):
        reference = sklearn_metrics.log_loss(pair.labels, softmax(outputs.astype(np.float64), axis=1), labels=range(5))
        assert measure.value == pytest.approx(reference, rel=1e-9)
        assert measure.interval.low < measure.value < measure.interval.high


def test_changes_are_candidate_minus_baseline_of_their_own_classes(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    own = [softmax(outputs.astype(np.float64), axis=1).max(axis=1) for outputs in (pair.baseline, pair.candidate)]
    change = own[1] - own[0]
    flipped = pair.baseline.argmax(axis=1) != pair.candidate.argmax(axis=1)
    shift = confidence_shift(pair)
    assert shift.mean_baseline.value == pytest.approx(own[0].mean())
    assert shift.mean_candidate.value == pytest.approx(own[1].mean())
    assert shift.change_all.value == pytest.approx(change.mean())
    assert (shift.change_same.value, shift.change_same.n) == (
        pytest.approx(change[~flipped].mean()),
        (~flipped).sum(),
    )
    assert (shift.change_flipped.value, shift.change_flipped.n) == (
        pytest.approx(change[flipped].mean()),
        flipped.sum(),
    )
    assert sum(shift.change_histogram.counts) == pair.n


def test_swapping_the_models_turns_the_changes_round(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    swapped = LogitPair(
        labels=pair.labels, baseline=pair.candidate, candidate=pair.baseline, class_names=pair.class_names
    )
    there, back = confidence_shift(pair), confidence_shift(swapped)
    assert there.change_all.value == pytest.approx(-back.change_all.value)
    assert there.change_all.interval.low == pytest.approx(-back.change_all.interval.high)
    assert there.ece_baseline == back.ece_candidate
    assert there.reliability_baseline == back.reliability_candidate
    assert there.change_histogram.counts == back.change_histogram.counts[::-1]


def test_without_labels_confidence_stays_and_trust_is_undefined(make_pair: Callable[..., LogitPair]) -> None:
    shift = confidence_shift(make_pair(labeled=False))
    assert shift.change_flipped.value is not None
    trusted = (shift.ece_baseline, shift.ece_candidate, shift.ece_change, shift.ece_equal_mass_change)
    losses = (shift.nll_baseline, shift.nll_candidate, shift.nll_change, shift.brier_candidate, shift.brier_change)
    assert shift.margin_change.value is not None
    for measure in (*trusted, *losses):
        assert measure.value is None
        assert measure.undefined_reason == "the data has no labels"
    assert shift.reliability_baseline == shift.reliability_candidate == ()


def test_no_flips_and_only_flips_leave_one_change_undefined(make_pair: Callable[..., LogitPair]) -> None:
    same = confidence_shift(make_pair(noise=0.0))
    assert (same.change_all.value, same.change_flipped.value) == (0.0, None)
    assert same.change_flipped.undefined_reason == "no prediction flipped"
    logits = np.array([[3.0, 0.0]], dtype=np.float32)
    only = confidence_shift(LogitPair(labels=None, baseline=logits, candidate=logits[:, ::-1], class_names=("a", "b")))
    assert only.change_same.undefined_reason == "every prediction flipped"
    assert (only.change_flipped.value, only.change_flipped.interval) == (0.0, None)


def test_the_middle_bin_holds_what_did_not_change() -> None:
    histogram = change_histogram(np.array([0.0, -1e-6, 1e-6, -1.0, 1.0]))
    assert len(histogram.counts) == len(histogram.edges) - 1 == 41
    assert (histogram.counts[0], histogram.counts[20], histogram.counts[-1]) == (1, 3, 1)


def test_a_model_that_ends_in_softmax_is_not_flattened_again(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    closed = LogitPair(
        labels=pair.labels,
        baseline=softmax(pair.baseline, axis=1),
        candidate=softmax(pair.candidate, axis=1),
        class_names=pair.class_names,
    )
    there, here = confidence_shift(closed), confidence_shift(pair)
    assert there.mean_baseline.value == pytest.approx(here.mean_baseline.value, abs=1e-6)
    assert there.nll_candidate.value == pytest.approx(here.nll_candidate.value, abs=1e-5)


def test_brier_score_agrees_with_scikit_learn(make_pair: Callable[..., LogitPair]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    pair = make_pair()
    shift = confidence_shift(pair)
    for outputs, measure in ((pair.baseline, shift.brier_baseline), (pair.candidate, shift.brier_candidate)):
        probabilities = softmax(outputs.astype(np.float64), axis=1)
        reference = sklearn_metrics.brier_score_loss(pair.labels, probabilities, labels=range(5), scale_by_half=False)
        assert measure.value == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize("name", ["nll", "brier"])
def test_changes_of_losses_are_paired(make_pair: Callable[..., LogitPair], name: str) -> None:
    pair = make_pair()
    shift = confidence_shift(pair)
    difference = getattr(pair.candidate_scores.truth, name) - getattr(pair.baseline_scores.truth, name)
    reference = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    change = getattr(shift, f"{name}_change")
    assert change.value == pytest.approx(difference.mean())
    assert (change.interval.low, change.interval.high) == pytest.approx((reference.low, reference.high))


def test_margins_are_those_of_the_softmax(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    ranked = [np.sort(softmax(o.astype(np.float64), axis=1), axis=1) for o in (pair.baseline, pair.candidate)]
    margins = [r[:, -1] - r[:, -2] for r in ranked]
    shift = confidence_shift(pair)
    assert shift.margin_baseline.value == pytest.approx(margins[0].mean())
    assert shift.margin_change.value == pytest.approx((margins[1] - margins[0]).mean())


def test_values_are_those_of_the_single_errors(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    width, mass = calibration_errors(pair)
    for i, scores in enumerate((pair.baseline_scores, pair.candidate_scores)):
        right = scores.predicted == pair.labels
        assert width[i].value == pytest.approx(expected_calibration_error(scores.confidence, right))
        gap = weighted_gap(equal_mass_bins(scores.confidence), right - scores.confidence)
        assert mass[i].value == pytest.approx(gap)
    for before, after, change in (width, mass):
        assert change.value == pytest.approx(after.value - before.value)


def test_a_model_against_itself_did_not_change(make_pair: Callable[..., LogitPair]) -> None:
    assert [change.value for _, _, change in calibration_errors(make_pair(noise=0.0))] == [0, 0]


def test_no_interval_is_claimed_that_would_not_hold(make_pair: Callable[..., LogitPair]) -> None:
    assert all(measure.interval is None for three in calibration_errors(make_pair()) for measure in three)


def test_an_overconfident_candidate_is_found(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=3000)
    louder = LogitPair(
        labels=pair.labels, baseline=pair.baseline, candidate=3 * pair.baseline, class_names=pair.class_names
    )
    assert all(change.value > 0.01 for _, _, change in calibration_errors(louder))
