"""The gate at its limits: how often a candidate exactly at one passes, fails, and half-way ones pass.

Simulated on counts, so that thousands of repetitions take seconds: ``python tests/benchmarks/bench_gate.py``.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from bench_table import Row, table

from compress_onnx.gate.policy import Rule
from compress_onnx.gate.verdict import judged
from compress_onnx.gate.worst import worst_class_change
from compress_onnx.metrics.statistics.measures import paired_change, proportion
from compress_onnx.metrics.statistics.paired import PairedCounts
from compress_onnx.records.base import Better, Measure
from compress_onnx.records.outputs import ClassResult
from compress_onnx.records.verdict import Outcome

SIZES = (1_000, 4_000, 12_630)
REPETITIONS = 3_000
BAR = 0.05
FLIPS = Rule(metric="flips.rate", at_most=0.02)
ACCURACY = Rule(metric="accuracy.change", at_least=-0.01)
WORST = Rule(metric="classes.worst.change", at_least=-0.05)
# Of what a class loses, how much it wins back: flips go both ways.
WON = 0.3
RIGHT = 0.95


@dataclasses.dataclass(frozen=True)
class Point:
    """A truth to be judged again and again: draws a measure at ``severity`` times the limit."""

    name: str
    n: int
    rule: Rule
    draw: Callable[[np.random.Generator, float], Measure]


def points() -> Iterator[Point]:
    """Yield every truth that is simulated."""
    for n in SIZES:
        yield Point("flips.rate", n, FLIPS, functools.partial(_flips, n))
        for won in (0.001, 0.01, 0.05):
            yield Point(f"accuracy.change, {won:.1%} won", n, ACCURACY, functools.partial(_accuracy, n, won))
        for classes in (10, 43):
            for hurt in (1, classes):
                shape = f"classes.worst.change, {hurt} of {classes} at the limit"
                yield Point(shape, n, WORST, functools.partial(_worst, n, classes, hurt))


def _flips(n: int, rng: np.random.Generator, severity: float) -> Measure:
    return proportion(int(rng.binomial(n, 0.02 * severity)), n, better=Better.LOWER)


def _accuracy(n: int, won: float, rng: np.random.Generator, severity: float) -> Measure:
    return _change(*_cells(n, 0.01 * severity + won, won, rng))


def _worst(n: int, classes: int, hurt: int, rng: np.random.Generator, severity: float) -> Measure:
    sizes = rng.multinomial(n, np.full(classes, 1 / classes))
    losses = [0.05 * severity if label < hurt else 0.0 for label in range(classes)]
    drawn = [_drawn_class(int(size), loss, rng) for size, loss in zip(sizes, losses, strict=True)]
    return worst_class_change(drawn)


def _drawn_class(size: int, loss: float, rng: np.random.Generator) -> ClassResult:
    won = WON * loss
    both, lost, gained, neither = _cells(size, loss + won, won, rng)
    right = proportion(both + lost, size, better=Better.HIGHER)
    return ClassResult(
        class_name="a class",
        support=size,
        recall_baseline=right,
        recall_candidate=right,
        change=_change(both, lost, gained, neither),
        p_value=None,
        p_holm=None,
        lost=lost,
        won=gained,
    )


def _cells(n: int, lost: float, won: float, rng: np.random.Generator) -> tuple[int, ...]:
    both = max(0.0, RIGHT - lost)
    drawn = rng.multinomial(n, [both, lost, won, max(0.0, 1 - both - lost - won)])
    return tuple(int(count) for count in drawn)


@functools.cache
def _change(both: int, lost: int, won: int, neither: int) -> Measure:
    return paired_change(PairedCounts(both=both, only_baseline=lost, only_candidate=won, neither=neither))


@dataclasses.dataclass(frozen=True)
class Rates:
    """How often the gate passed and failed at the limit, and passed at half of it."""

    point: Point
    passed: float
    failed: float
    power: float

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the row."""
        return self.point.name, f"{self.point.n:,}", *(f"{r:.3f}" for r in (self.passed, self.failed, self.power))


def rates(point: Point, repetitions: int = REPETITIONS) -> Rates:
    """Judge a truth many times."""
    rng = np.random.default_rng([point.n, len(point.name)])
    at_limit = [judged(point.rule, point.draw(rng, 1.0))[0] for _ in range(repetitions)]
    half_way = [judged(point.rule, point.draw(rng, 0.5))[0] for _ in range(repetitions // 4)]
    return Rates(
        point=point,
        passed=at_limit.count(Outcome.PASS) / repetitions,
        failed=at_limit.count(Outcome.FAIL) / repetitions,
        power=half_way.count(Outcome.PASS) / len(half_way),
    )


def gate_rows(measured: Sequence[Rates] | None = None) -> Iterator[Row]:
    """Yield one row per rule: the largest rate of passes at the limit over all sizes and truths."""
    measured = measured if measured is not None else [rates(point) for point in points()]
    for rule in (FLIPS, ACCURACY, WORST):
        own = [one for one in measured if one.point.rule == rule]
        largest = max(own, key=lambda one: one.passed)
        yield Row(
            figure=f"gate: passes exactly at the limit, {rule}, largest of {len(own)}",
            bar=BAR,
            reach="at most",
            ours=f"{largest.point.name}, n = {largest.point.n:,}",
            reference=f"fails at most {max(one.failed for one in own):.3f}",
            value=largest.passed,
        )


def listing(measured: Iterable[Rates]) -> str:
    """Return all rates as a Markdown table."""
    head = "| truth | n | passes at the limit | fails at the limit | passes at half |\n|---|---|---|---|---|"
    return "\n".join([head, *("| " + " | ".join(one.cells()) + " |" for one in measured)])


def main() -> int:
    """Print the rates and the rows; the exit code is 1 if the bar was missed."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS
    measured = [rates(point, repetitions) for point in points()]
    print(listing(measured))  # noqa: T201  # the table is the output
    rows = list(gate_rows(measured))
    print("\n" + table(rows))  # noqa: T201  # see above
    return int(any(row.passed is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
