"""The page that ``bench --out`` writes: tables, charts, what is doubtful, and why a candidate is not faster."""

from __future__ import annotations

import shlex

from compress_onnx.records import BenchRecord, LatencyComparison
from compress_onnx.report.kit import Command, Listing, Page, Pair, Panel, Section, Table, Text, speedup_cell, words
from compress_onnx.report.pages.bench.charts import bench_charts
from compress_onnx.report.pages.bench.settings import names_of, runs_of, settings_of, warnings_of
from compress_onnx.report.pages.html import render_page
from compress_onnx.report.sections import RUN_HEAD, noise, run_cells, spoken_setting


def render_bench(record: BenchRecord) -> str:
    """Return the page as one HTML document that opens from disk and needs no network."""
    return render_page(bench_page(record))


def bench_page(record: BenchRecord) -> Page:
    """Return the page's sections."""
    names = names_of(record)
    return Page(
        title=f"Latency of {', '.join(names[1:])} against {names[0]}",
        subtitle=f"{record.environment.cpu_model} ({record.environment.cpu_target}), {record.started_at}",
        sections=(_speed(record), _numbers(record), _sweep(record), _doubts(record), _origin(record)),
    )


def _speed(record: BenchRecord) -> Section:
    charts = bench_charts(record)
    return Section(
        key="speed",
        title="Speed-up",
        good="a filled mark whose whole interval lies right of the gray band.",
        bad="a mark inside the band: two copies of the baseline differ as much.",
        panels=(Panel(blocks=(charts["speedup"], charts["distribution"])),),
    )


def _numbers(record: BenchRecord) -> Section:
    names = names_of(record)
    return Section(
        key="numbers",
        title="Numbers",
        good="a speed-up whose whole interval lies beyond the noise floor.",
        bad="two medians of one process each: they differ for the same file, too.",
        panels=(Panel(blocks=tuple(_table(names, setting) for setting in settings_of(record))),),
    )


def _sweep(record: BenchRecord) -> Section:
    charts = bench_charts(record)
    return Section(
        key="sweep",
        title="Batch sizes",
        good="the candidate's line above the baseline's in throughput, at the batch you will run.",
        bad="lines that cross: faster with one batch, slower with another.",
        panels=(Panel(blocks=(Pair(left=(charts["throughput"],), right=(charts["latency"],)),)),),
    )


def _doubts(record: BenchRecord) -> Section:
    slow = zip(names_of(record)[1:], record.explanations, strict=True)
    reasons = [
        Listing(title=f"Why \u2068{name}\u2069 is not faster", items=sentences) for name, sentences in slow if sentences
    ]
    warnings = warnings_of(record)
    quiet = Text(text="Nothing disturbed the timing as far as the machine tells.")
    return Section(
        key="doubts",
        title="Doubts and reasons",
        good="no warning.",
        bad="other work beside the timing, or a clock that changed: measure again when the machine is quiet.",
        panels=(Panel(blocks=(*reasons, Listing(title="Warnings", items=warnings) if warnings else quiet)),),
    )


def _origin(record: BenchRecord) -> Section:
    rows = tuple((words(name), words(text)) for name, text in _facts(record))
    facts = Table(caption="Machine", head=("Name", "Value"), rows=rows)
    return Section(
        key="origin",
        title="Where it comes from",
        good="the machine below is the one you deploy to.",
        bad="another CPU, another number of cores, or another runtime.",
        panels=(Panel(blocks=(Command(text=shlex.join(record.command)), facts)),),
    )


def _table(names: list[str], setting: tuple[LatencyComparison, ...]) -> Table:
    first = setting[0]
    speedups = [words("baseline"), *(speedup_cell(c.speedup, significant=c.significant) for c in setting)]
    rows = tuple(
        (words(name), *run_cells(run), speedup)
        for name, run, speedup in zip(names, runs_of(setting), speedups, strict=True)
    )
    caption = f"{spoken_setting(first)}: {first.rounds} rounds in fresh processes"
    return Table(caption=caption[0].upper() + caption[1:], head=RUN_HEAD, rows=rows, note=noise(first))


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
