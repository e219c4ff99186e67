"""``compress-onnx bench``: latency of several files, in turns and in fresh processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import Json, Seed, TimingFlags, option_groups
from compress_onnx.cli.output import command_words, new_run, progress_bars, put, say, show_table
from compress_onnx.options import SEED

if TYPE_CHECKING:
    from compress_onnx.records import BenchRecord, LatencyComparison, LatencyRun, Measure

_MB = 1e6
_COLUMNS = ("p50 ms", "p90 ms", "p99 ms", "images/s", "load ms", "first ms", "peak MB", "speed-up (95 %)")


@option_groups()
def bench_command(
    models: Annotated[list[Path], typer.Argument(help="ONNX files, baseline first.")],
    *,
    timing: TimingFlags,
    seed: Seed = SEED.default,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for bench.json and bench.html.")] = None,
    as_json: Json = False,
) -> None:
    """Time ONNX models against each other: fresh processes, interleaved rounds in random order, raw values kept.

    A second copy of the baseline runs along: what the two differ by is this machine's noise.

    Example: compress-onnx bench lenet5.onnx lenet5-w8a8.onnx --batch 1,8,32 --out reports/bench
    """
    from compress_onnx.compare import bench_json, bench_models, write_bench

    sweep = timing.sweep()
    started = datetime.now().astimezone()
    if out is not None:
        new_run(out, "bench")  # fails now if the folder cannot be written, not after a minute
    with progress_bars() as stages:
        record = bench_models(models, sweep, seed=seed, stages=stages)
    record = dataclasses.replace(
        record, command=("compress-onnx", *command_words.get()), started_at=started.isoformat(timespec="seconds")
    )
    if out is not None:
        say(f"Page: {write_bench(record, out)}")
    if as_json:
        put(bench_json(record))
        return
    _show(record)


def _show(record: BenchRecord) -> None:
    from compress_onnx.report import names_of, noise, settings_of, warnings_of

    names = names_of(record)
    for comparisons in settings_of(record):
        first = comparisons[0]
        show_table(_title(first), ("model", *_COLUMNS), list(_rows(names, comparisons)))
        put(noise(first))
    for name, sentences in zip(names[1:], record.explanations, strict=True):
        if sentences:
            put(f"Why {name} is not faster: {' '.join(sentences)}")
    for warning in warnings_of(record):
        say(f"Warning: {warning}.")


def _title(comparison: LatencyComparison) -> str:
    threads = f"{comparison.threads} thread{'' if comparison.threads == 1 else 's'}"
    calls = len(comparison.baseline.values_ms) // comparison.rounds
    return f"batch {comparison.batch}, {threads}, {comparison.rounds} rounds (baseline: {calls:,} calls each)"


def _rows(names: Sequence[str], comparisons: Sequence[LatencyComparison]) -> Iterator[tuple[str, ...]]:
    yield (names[0], *_cells(comparisons[0].baseline), "")
    for name, comparison in zip(names[1:], comparisons, strict=True):
        yield (name, *_cells(comparison.candidate), _speedup(comparison))


def _cells(run: LatencyRun) -> Iterator[str]:
    yield from (_number(run.p50_ms), _spanned(run.p90_ms), _number(run.p99_ms))
    yield "–" if run.throughput is None else _number(run.throughput, "{:,.0f}")
    yield f"{run.load_ms:.1f}"
    yield "–" if run.first_ms is None else f"{run.first_ms:.3g}"
    yield "–" if run.peak_bytes is None else f"{run.peak_bytes / _MB:.0f}"


def _number(measure: Measure, form: str = "{:.4g}") -> str:
    return "–" if measure.value is None else form.format(measure.value)


def _spanned(measure: Measure) -> str:
    interval = measure.interval
    return _number(measure) + (f"\n{interval.low:.4g} to {interval.high:.4g}" if interval else "")


def _speedup(comparison: LatencyComparison) -> str:
    measure = comparison.speedup
    if measure.value is None or measure.interval is None:
        return "–" if measure.value is None else f"{measure.value:.2f}x"
    low, high = measure.interval.low, measure.interval.high
    word = ("faster" if measure.value > 1 else "slower") if comparison.significant else "not significant"
    return f"{measure.value:.3g}x {word}\n{low:.4g} to {high:.4g}"
