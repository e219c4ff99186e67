"""Do the intervals hold what they promise: nominal 95 % on simulated pairs of models.

``python tests/benchmarks/bench_coverage.py [repetitions]`` prints the rows and the tables behind them.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping

import numpy as np
from bench_table import Row, table
from coverage_of import GRID, Pair, pairs_on, simulated_coverage
from numpy.typing import NDArray

REPETITIONS = 10_000
LOW, HIGH, LEAST = 0.94, 0.975, 0.93


@functools.cache
def covered(repetitions: int) -> tuple[tuple[Pair, ...], Mapping[str, NDArray[np.float64]]]:
    """Return the grid's pairs and the coverage of each of the three intervals, simulated once."""
    pairs = tuple(pairs_on(GRID))
    return pairs, simulated_coverage(pairs, np.random.default_rng(0), repetitions=repetitions)


def coverage_rows(repetitions: int = REPETITIONS) -> Iterator[Row]:
    """Yield mean and least coverage of the intervals of accuracy change, flip rate and accuracy."""
    pairs, found = covered(repetitions)
    for name, values in found.items():
        worst = pairs[int(values.argmin())]
        where = f"n {worst.n:,}, flips {worst.flip_rate:.1%}, {worst.negative / worst.flip_rate:.0%} negative"
        mean = float(values.mean())
        span = f"{values.min():.4f} to {values.max():.4f}"
        yield Row(figure=f"coverage of {name}, mean", bar=LOW, reach="at least", ours=span, value=mean)
        yield Row(figure=f"coverage of {name}, mean", bar=HIGH, reach="at most", ours=span, value=mean)
        yield Row(
            figure=f"coverage of {name}, least of {len(pairs)} points",
            bar=LEAST,
            reach="at least",
            ours=where,
            value=float(values.min()),
        )


def cross_table(name: str, repetitions: int = REPETITIONS) -> str:
    """Return mean and least coverage by n and flip rate, over splits and accuracies, as a Markdown table."""
    pairs, found = covered(repetitions)
    rates, sizes = np.array([round(pair.flip_rate, 6) for pair in pairs]), np.array([pair.n for pair in pairs])
    lines = [f"| {name}: n | " + " | ".join(f"flips {rate:.1%}" for rate in GRID.flip_rate) + " |"]
    lines.append("|---" * (1 + len(GRID.flip_rate)) + "|")
    for n in GRID.n:
        cells = [found[name][(sizes == n) & (rates == rate)] for rate in GRID.flip_rate]
        lines.append(f"| {n:,} | " + " | ".join(f"{c.mean():.3f} ({c.min():.3f})" for c in cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Print rows and tables; the exit code is 1 if a bar was missed."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else REPETITIONS
    rows = list(coverage_rows(repetitions))
    print(table(rows))  # noqa: T201  # the table is the output
    for name in covered(repetitions)[1]:
        print(f"\nmean (least) over splits and accuracies\n\n{cross_table(name, repetitions)}")  # noqa: T201  # see above
    return int(any(row.passed is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
