"""The page that ``bench --out`` writes: tables, charts, what is doubtful, and why a candidate is not faster."""

from __future__ import annotations

import dataclasses
import shlex

from compress_onnx.records import BenchRecord, LatencyComparison, LatencyRun
from compress_onnx.report.bench_charts import bench_charts
from compress_onnx.report.bench_words import names_of, noise, runs_of, settings_of, spoken_setting, warnings_of
from compress_onnx.report.cells import (
    Cell,
    Table,
    absent,
    latency_cell,
    milliseconds,
    plain,
    size,
    speedup_cell,
    words,
)
from compress_onnx.report.html import page

_HEAD = ("Model", "p50", "p90", "p99", "Images per second", "Load", "First call", "Peak memory", "Speed-up")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BenchView:
    """The page's content, formatted; charts are made apart, from the same record."""

    title: str
    subtitle: str
    tables: tuple[Table, ...]
    explanations: tuple[tuple[str, tuple[str, ...]], ...]
    warnings: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    command: str


def render_bench(record: BenchRecord) -> str:
    """Return the page as one HTML document that opens from disk and needs no network."""
    return page("bench.html.j2", view=bench_view(record), charts=bench_charts(record), scripts=("report.js",))


def bench_view(record: BenchRecord) -> BenchView:
    """Return the page's content."""
    names = names_of(record)
    found = settings_of(record)
    return BenchView(
        title=f"Latency of {', '.join(names[1:])} against {names[0]}",
        subtitle=f"{record.environment.cpu_model}, {record.started_at}",
        tables=tuple(_table(names, setting) for setting in found),
        explanations=tuple(pair for pair in zip(names[1:], record.explanations, strict=True) if pair[1]),
        warnings=warnings_of(record),
        facts=_facts(record),
        command=shlex.join(record.command),
    )


def _table(names: list[str], setting: tuple[LatencyComparison, ...]) -> Table:
    first = setting[0]
    speedups = [words("baseline"), *(speedup_cell(c.speedup, significant=c.significant) for c in setting)]
    rows = tuple(
        (words(name), *_cells(run), speedup)
        for name, run, speedup in zip(names, runs_of(setting), speedups, strict=True)
    )
    caption = f"{spoken_setting(first)}: {first.rounds} rounds in fresh processes"
    return Table(caption=caption[0].upper() + caption[1:], head=_HEAD, rows=rows, note=noise(first))


def _cells(run: LatencyRun) -> tuple[Cell, ...]:
    quantiles = (latency_cell(run.p50_ms), latency_cell(run.p90_ms), latency_cell(run.p99_ms))
    rate = run.throughput.value if run.throughput else None
    return (
        *quantiles,
        absent("no rate") if rate is None else Cell(text=f"{rate:,.0f}" if rate >= 10 else plain(rate)),
        Cell(text=milliseconds(run.load_ms)),
        absent("not measured") if run.first_ms is None else Cell(text=milliseconds(run.first_ms)),
        absent("the system does not tell") if run.peak_bytes is None else Cell(text=size(run.peak_bytes)),
    )


def _facts(record: BenchRecord) -> tuple[tuple[str, str], ...]:
    first, environment = record.latency[0], record.environment
    cores = ", ".join(map(str, first.cores))
    return (
        ("CPU", f"{environment.cpu_model} ({environment.cpu_target}), {environment.cores} usable cores"),
        ("ONNX Runtime", environment.packages.get("onnxruntime", "unknown")),
        ("Timed on", f"core {cores}" if cores else "any core"),
        ("Idle threads", "wait busily" if first.spinning else "sleep"),
        ("System", environment.system),
    )
