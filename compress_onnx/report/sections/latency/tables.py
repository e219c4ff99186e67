"""The tables of latency: what each model's calls took, and what the speed-up is worth beside the machine's noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from compress_onnx.records import Comparison, LatencyComparison, LatencyRun, RunRecord
from compress_onnx.report.kit import (
    Cell,
    Note,
    Table,
    absent,
    latency_cell,
    milliseconds,
    percent,
    plain,
    size,
    speedup_cell,
    words,
)

NOT_MEASURED = "Latency was not measured in this run."
Timed: TypeAlias = tuple[str, LatencyComparison]
RUN_HEAD = ("Model", "p50", "p90", "p99", "Images per second", "Load", "First call", "Peak memory", "Speed-up")
THE_BASELINE = "the baseline itself"


def run_cells(run: LatencyRun) -> tuple[Cell, ...]:
    """Return quantiles, throughput, load, first call and peak memory of one model's calls, as in ``HEAD``."""
    quantiles = (latency_cell(run.p50_ms), latency_cell(run.p90_ms), latency_cell(run.p99_ms))
    rate = run.throughput.value if run.throughput else None
    return (
        *quantiles,
        absent("no rate") if rate is None else Cell(text=f"{rate:,.0f}" if rate >= 10 else plain(rate)),
        Cell(text=milliseconds(run.load_ms)),
        absent("not measured") if run.first_ms is None else Cell(text=milliseconds(run.first_ms)),
        absent("the system does not tell") if run.peak_bytes is None else Cell(text=size(run.peak_bytes)),
    )


def latency_table(comparisons: tuple[Comparison, ...], baseline: str) -> Table | Note:
    """Return every timed pair, the baseline's calls beside each candidate's."""
    timed = [(c.candidate_name, c.latency) for c in comparisons if c.latency is not None]
    if not timed:
        return Note(reason=NOT_MEASURED)
    first = timed[0][1]
    speedups = {
        name: speedup_cell(comparison.speedup, significant=comparison.significant) for name, comparison in timed
    }
    return Table(
        caption=f"Per call, {spoken_setting(first)}: candidates in turns with the baseline",
        head=RUN_HEAD,
        rows=tuple(
            (words(name), *run_cells(run), speedups[name] if own else absent(THE_BASELINE))
            for name, run, own in in_turns(timed, baseline)
        ),
        note=" ".join((_setting(first), noise(first), "Load, first call: medians over fresh processes.")),
    )


def _setting(latency: LatencyComparison) -> str:
    calls = len(latency.candidate.values_ms)
    cores = f"on core {', '.join(map(str, latency.cores))}" if latency.cores else "on any core"
    idle = "wait busily" if latency.spinning else "sleep"
    return f"{calls:,} calls of each model in {latency.rounds} rounds, {cores}; idle threads {idle}."


def timed_pairs(record: RunRecord) -> list[Timed]:
    """Return every candidate that was timed, by name."""
    return [(c.candidate_name, c.latency) for c in record.comparisons if c.latency is not None]


def in_turns(timed: Sequence[Timed], baseline: str) -> Iterator[tuple[str, LatencyRun, bool]]:
    """Yield the runs as they were timed, by name, and whether they are a candidate's.

    Candidates that were timed with one run of the baseline share it: it comes once.
    """
    shared = all(comparison.baseline == timed[0][1].baseline for _, comparison in timed)
    for place, (name, comparison) in enumerate(timed):
        if place == 0 or not shared:
            yield (baseline if shared else f"{baseline} beside \u2068{name}\u2069"), comparison.baseline, False
        yield name, comparison.candidate, True


def spoken_setting(comparison: LatencyComparison) -> str:
    """Return a setting in words: ``batch 8, 2 threads``."""
    return f"batch {comparison.batch}, {comparison.threads} thread{'' if comparison.threads == 1 else 's'}"


def noise(comparison: LatencyComparison) -> str:
    """Say how far apart two copies of the baseline were."""
    floor = comparison.noise_floor
    if floor is None or floor.value is None:
        return f"Noise floor: {floor.undefined_reason if floor else 'not measured'}."
    return f"Noise floor: two copies of the baseline differed by up to {percent(floor.value, 1)}."
