from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.pattern import between_class_variance, class_pattern, homogeneity

LOGITS = np.eye(2, dtype=np.float32)


def pair_with(support: NDArray[np.int64], lost: NDArray[np.int64], won: NDArray[np.int64]) -> LogitPair:
    """A pair in which so many samples of each class are lost and won; the rest both models get right."""
    size = len(support)
    labels = np.repeat(np.arange(size), support)
    place = np.concatenate([np.arange(n) for n in support])
    wrong = (labels + 1) % size
    is_lost, is_won = place < lost[labels], (place >= lost[labels]) & (place < (lost + won)[labels])
    outputs = np.eye(size, dtype=np.float32)
    return LogitPair(
        labels=labels,
        baseline=outputs[np.where(is_won, wrong, labels)],
        candidate=outputs[np.where(is_lost, wrong, labels)],
        class_names=tuple(map(str, range(size))),
    )


def drawn(rng: np.random.Generator, support: NDArray[np.int64], negative: object, positive: object) -> LogitPair:
    lost = rng.binomial(support, negative)
    return pair_with(support, lost, rng.binomial(support - lost, positive))


def rejections(repeat: int, support: NDArray[np.int64], negative: object, positive: object) -> float:
    rng = np.random.default_rng(1)
    pairs = (drawn(rng, support, negative, positive) for _ in range(repeat))
    return float(np.mean([class_pattern(pair, permutations=199).p_value.value <= 0.05 for pair in pairs]))


def test_the_statistic_agrees_with_a_loop_over_the_classes() -> None:
    rng = np.random.default_rng(0)
    support = rng.integers(1, 200, size=12)
    lost, won = rng.binomial(support, 0.1), rng.binomial(support // 2, 0.1)
    n, psi, mean = support.sum(), (lost + won).sum() / support.sum(), (won - lost).sum() / support.sum()
    expected = 0.0
    for n_k, b, c in zip(support.tolist(), lost.tolist(), won.tolist(), strict=True):
        exchange = min(b + c, 2 * min(b, c) + abs(n_k * mean))
        expected += (c - b - n_k * mean) ** 2 / (n_k * (exchange + 1) / (n_k + 1 / psi))
    assert n == support.sum()
    assert homogeneity(lost, won, support) == pytest.approx(expected)
    assert homogeneity(np.stack([lost, won]), np.stack([won, lost]), support).shape == (2,)


def test_the_p_value_agrees_with_shuffled_labels() -> None:
    rng = np.random.default_rng(2)
    support = np.array([30, 60, 90])
    lost, won = np.array([5, 2, 4]), np.array([0, 2, 3])
    labels = np.repeat(np.arange(3), support)
    step = np.concatenate(
        [np.repeat([-1, 1, 0], [b, c, n - b - c]) for n, b, c in zip(support, lost, won, strict=True)]
    )
    observed, reached = homogeneity(lost, won, support), 0
    for _ in range(4000):
        moved = rng.permutation(step)
        there = [np.bincount(labels[moved == sign], minlength=3) for sign in (-1, 1)]
        reached += homogeneity(*there, support) >= observed * (1 - 1e-12)
    assert class_pattern(pair_with(support, lost, won), permutations=4000).p_value.value == pytest.approx(
        reached / 4000, abs=0.03
    )


def test_the_spread_is_unbiased() -> None:
    rng = np.random.default_rng(4)
    support = rng.integers(40, 400, size=25)
    negative, positive = rng.uniform(0.01, 0.06, size=25), 0.02
    change = positive * (1 - negative) - negative
    weight = support / support.sum()
    truth = (support * (change - weight @ change) ** 2).sum() / (support.sum() - (support**2).sum() / support.sum())
    found = []
    for _ in range(3000):
        lost = rng.binomial(support, negative)
        found.append(between_class_variance(lost, rng.binomial(support - lost, positive), support))
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / 3000**0.5)


def test_one_hurt_class_is_a_pattern() -> None:
    support = np.full(43, 200)
    hurt = np.where(np.arange(43) == 7, 20, 1)
    found = class_pattern(pair_with(support, hurt, np.ones(43, dtype=int)))
    assert found.p_value.value < 0.01
    assert found.spread.value > 0.01
    assert (found.n_classes, found.p_value.n) == (43, 8600)


def test_a_loss_that_all_classes_share_is_none() -> None:
    support = np.full(10, 100)
    found = class_pattern(pair_with(support, np.full(10, 5), np.full(10, 1)))
    assert (found.p_value.value, found.spread.value) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [(None, "the data has no labels"), (np.zeros(4, dtype=np.int64), "fewer than two classes have samples")],
)
def test_what_cannot_be_tested_says_why(labels: NDArray[np.int64] | None, reason: str) -> None:
    logits = LOGITS[[0, 0, 1, 1]]
    found = class_pattern(LogitPair(labels=labels, baseline=logits, candidate=logits[::-1], class_names=("a", "b")))
    assert (found.statistic, found.permutations) == (None, 0)
    for measure in (found.spread, found.p_value):
        assert (measure.value, measure.undefined_reason) == (None, reason)


def test_classes_of_one_sample_show_no_spread() -> None:
    pair = LogitPair(labels=np.array([0, 1]), baseline=LOGITS, candidate=LOGITS[::-1], class_names=("a", "b"))
    found = class_pattern(pair)
    assert (found.spread.value, found.p_value.value) == (None, 1.0)


def test_the_same_pair_gives_the_same_p_value(make_pair: Callable[..., LogitPair]) -> None:
    assert class_pattern(make_pair()) == class_pattern(make_pair())


@pytest.mark.slow
@pytest.mark.parametrize("negative", [0.002, 0.02])
def test_equal_classes_are_called_a_pattern_at_most_5_percent_of_the_time(negative: float) -> None:
    support = np.random.default_rng(3).integers(30, 400, size=20)
    assert rejections(600, support, negative, negative / 2) < 0.05 + 3 * (0.05 * 0.95 / 600) ** 0.5


@pytest.mark.slow
def test_classes_that_only_flip_more_are_seldom_called_a_pattern() -> None:
    support = np.random.default_rng(3).integers(30, 400, size=20)
    often = np.where(support < 100, 0.1, 0.005)
    assert rejections(300, support, often, often) < 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.slow
def test_a_class_that_loses_ten_points_is_mostly_found() -> None:
    support = np.random.default_rng(3).integers(100, 750, size=43)
    negative = np.where(np.arange(43) == 3, 0.1, 0.01)
    assert rejections(100, support, negative, 0.005) > 0.75
