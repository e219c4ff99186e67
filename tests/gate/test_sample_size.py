"""What an inconclusive rule needs: always a number of images, or why there is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.gate.policy import Policy, Rule
from compress_onnx.gate.verdict import decide
from compress_onnx.metrics.statistics.measures import NO_LABELS
from compress_onnx.records.base import Better, undefined
from compress_onnx.records.verdict import GateCheck, Outcome

WORST = Rule(metric="classes.worst.change", at_least=-0.05)


def _check(made: Any, rule: Rule, **changes: Any) -> GateCheck:
    verdict = decide(made.record(made.comparison(**changes)), Policy(rules=(rule,), sha256="3" * 64))
    (check,) = verdict.checks
    return check


def _advised(check: GateCheck) -> bool:
    hopeless = check.samples_needed is None and check.advice.startswith("no number of images decides it: ")
    counted = check.samples_needed is not None and f"{check.samples_more:,} more" in check.advice
    return hopeless or counted


def test_accuracy_asks_for_images_in_all_and_more(made: Any) -> None:
    parts = made.counted(both=900, only_baseline=20, only_candidate=15, neither=65)
    check = _check(made, Rule(metric="accuracy.change", at_least=-0.01), **parts)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert check.samples_needed is not None
    assert check.samples_more == check.samples_needed - 1000
    assert check.advice == (
        f"about {check.samples_more:,} more images ({check.samples_needed:,} in all) "
        "would decide it if the estimate stayed"
    )


def test_a_class_asks_for_its_own_images_and_by_its_share_for_all(made: Any) -> None:
    results = (made.counted_class("stop", n=100, lost=2), made.counted_class("go", n=900, lost=0))
    check = _check(made, Rule(metric="classes.stop.change", at_least=-0.05), classes=results)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "more images of class stop" in check.advice
    assert "share of 10.00%" in check.advice
    assert check.samples_needed is not None
    assert check.samples_needed % 10 == 0


def test_the_worst_class_asks_for_what_the_most_doubtful_class_needs(made: Any) -> None:
    small, large = made.counted_class("small", n=30, lost=0), made.counted_class("large", n=200, lost=5)
    alone = {
        result.class_name: _check(
            made, Rule(metric=f"classes.{result.class_name}.change", at_least=-0.05), classes=(result,)
        )
        for result in (small, large)
    }
    check = _check(made, WORST, classes=(small, large))
    assert check.samples_needed == max(one.samples_needed or 0 for one in alone.values())
    assert "2 classes are in doubt" in check.advice


def test_a_class_beyond_the_limit_asks_for_what_would_convict_it(made: Any) -> None:
    check = _check(made, WORST, classes=(made.counted_class("a", n=60, lost=6), made.counted_class("b", n=60, lost=0)))
    assert check.outcome is Outcome.INCONCLUSIVE
    assert "of class a" in check.advice
    assert check.reason.startswith("a lost most (60 images)")


@pytest.mark.parametrize(
    ("changes", "rule", "says"),
    [
        ("on the limit", Rule(metric="flips.rate", at_most=0.02), "lies on the limit"),
        ("no labels", Rule(metric="accuracy.change", at_least=-0.01), NO_LABELS),
        ("no interval", Rule(metric="extra.mood", at_least=0.1), 'decide_on = "estimate"'),
    ],
)
def test_where_no_number_helps_the_reason_stands_there(changes: str, rule: Rule, says: str, made: Any) -> None:
    parts: dict[str, Any] = {"extra": {"mood": made.measure(0.5)}}
    if changes == "no labels":
        nothing = undefined(NO_LABELS, unit="fraction", better=Better.HIGHER)
        accuracy = made.comparison().accuracy
        parts["accuracy"] = type(accuracy)(baseline=nothing, candidate=nothing, change=nothing)
    check = _check(made, rule, **parts)
    assert check.outcome is Outcome.INCONCLUSIVE
    assert check.samples_needed is None
    assert "no number of images decides it" in check.advice
    assert says in check.reason + check.advice


sizes = st.lists(st.tuples(st.integers(5, 300), st.integers(0, 5)), min_size=1, max_size=4)


@given(sizes=sizes, limit=st.sampled_from([-0.2, -0.05, -0.02]))
def test_every_doubt_is_advised(sizes: list[tuple[int, int]], limit: float, made: Any) -> None:
    results = tuple(
        made.counted_class(str(number), n=n, lost=min(lost, n // 2)) for number, (n, lost) in enumerate(sizes)
    )
    check = _check(made, Rule(metric="classes.worst.change", at_least=limit), classes=results)
    assert (check.outcome is Outcome.INCONCLUSIVE) == _advised(check)
