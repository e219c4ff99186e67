from collections.abc import Callable

import numpy as np
import pytest

from compress_onnx.metrics.outputs.classes import class_results
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.statistics.significance import benjamini_hochberg, holm, mid_p_mcnemar

sklearn_metrics = pytest.importorskip("sklearn.metrics")
recall_score = sklearn_metrics.recall_score


def without_class(pair: LogitPair, missing: int) -> LogitPair:
    kept = pair.labels != missing
    return LogitPair(
        labels=pair.labels[kept],
        baseline=pair.baseline[kept],
        candidate=pair.candidate[kept],
        class_names=pair.class_names,
    )


def test_support_and_recall_agree_with_scikit_learn(make_pair: Callable[..., LogitPair]) -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    pair = make_pair()
    results = class_results(pair)
    for outputs, field in ((pair.baseline, "recall_baseline"), (pair.candidate, "recall_candidate")):
        recalls = sklearn_metrics.recall_score(pair.labels, outputs.argmax(axis=1), average=None)
        assert [getattr(result, field).value for result in results] == pytest.approx(recalls.tolist())
    assert [result.support for result in results] == np.bincount(pair.labels).tolist()
    assert [result.class_name for result in results] == list(pair.class_names)


def test_changes_and_p_values_agree_with_a_loop_over_the_classes(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    right = [outputs.argmax(axis=1) == pair.labels for outputs in (pair.baseline, pair.candidate)]
    results = class_results(pair)
    for c, result in enumerate(results):
        baseline, candidate = (r[pair.labels == c] for r in right)
        assert result.change.value == pytest.approx(candidate.mean() - baseline.mean())
        assert result.change.interval.low <= result.change.value <= result.change.interval.high
        lost, won = int((baseline & ~candidate).sum()), int((~baseline & candidate).sum())
        assert result.p_value == mid_p_mcnemar(lost, won)
    adjusted = holm(np.array([result.p_value for result in results]))
    assert [result.p_holm for result in results] == adjusted.tolist()
    read = benjamini_hochberg(np.array([result.p_value for result in results]))
    assert [result.p_benjamini_hochberg for result in results] == read.tolist()


def test_changes_weighted_by_support_sum_to_the_change_of_accuracy(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    total = sum(result.change.value * result.support for result in class_results(pair))
    assert total == pytest.approx(pair.counts.only_candidate - pair.counts.only_baseline)


def test_a_class_without_samples_is_undefined_and_costs_the_others_nothing(make_pair: Callable[..., LogitPair]) -> None:
    pair = without_class(make_pair(), 2)
    results = class_results(pair)
    empty = results[2]
    assert (empty.support, empty.p_value, empty.p_holm) == (0, None, None)
    for measure in (empty.recall_baseline, empty.recall_candidate, empty.change, empty.detectable_loss):
        assert measure.value is None
        assert measure.undefined_reason == "the data has no samples of this class"
    others = [result for result in results if result.support]
    assert [r.p_holm for r in others] == holm(np.array([r.p_value for r in others])).tolist()


def test_without_labels_every_class_says_so(make_pair: Callable[..., LogitPair]) -> None:
    results = class_results(make_pair(labeled=False))
    assert len(results) == 5
    assert {result.change.undefined_reason for result in results} == {"the data has no labels"}
    assert {result.detectable_loss.undefined_reason for result in results} == {"the data has no labels"}
    assert {result.p_holm for result in results} == {result.p_benjamini_hochberg for result in results} == {None}


def test_one_hurt_class_is_found_among_many(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair(n=4000, c=20, noise=0.1)
    hurt = pair.candidate.copy()
    hurt[pair.labels == 7, 7] -= 1.5
    results = class_results(
        LogitPair(labels=pair.labels, baseline=pair.baseline, candidate=hurt, class_names=pair.class_names)
    )
    assert [r.class_name for r in results if r.p_holm < 0.01] == ["class 7"]
    assert results[7].change.interval.high < 0


def test_more_samples_show_smaller_losses_and_too_few_none(make_pair: Callable[..., LogitPair]) -> None:
    few, many = (class_results(make_pair(n=n))[0].detectable_loss for n in (400, 4000))
    assert 0 < many.value < few.value < 1
    tiny = class_results(make_pair(n=12))[0].detectable_loss
    assert tiny.value is None
    assert "too few samples" in tiny.undefined_reason
