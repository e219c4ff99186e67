"""What the same files answer on another CPU; only in a run that asked for one."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import Comparison, CrossCpu, CrossCpuPredictions, Environment
from compress_onnx.report.kit import (
    Cell,
    Panel,
    ReportInput,
    Section,
    Table,
    Tone,
    absent,
    flip_counts,
    fraction_cell,
    latency_cell,
    number_cell,
    points_cell,
    speedup_cell,
    words,
)

KINDS_NOT_KNOWN = "the data has no labels"


def cross_cpu_section(source: ReportInput) -> Section | None:
    """Return the answers of all files on the other CPU, ``None`` where none was asked for."""
    table = cross_cpu_table(source.record.comparisons, source.baseline)
    if table is None:
        return None
    return Section(
        key="cross-cpu",
        title="Another CPU",
        good="no flips: the file answers alike wherever it runs.",
        bad="more flips between two CPUs than between baseline and candidate: the CPU changes the answers more than "
        "compression did.",
        panels=(Panel(blocks=(table,)),),
    )


def cross_cpu_table(comparisons: tuple[Comparison, ...], baseline: str) -> Table | None:
    """Return what baseline and candidates answer on another CPU, ``None`` where none was asked.

    Flips are those of one file between here and there, whatever compression flipped.
    """
    files = [(c.candidate_name, c.cross_cpu, c.flips.rate) for c in comparisons if c.cross_cpu is not None]
    if not files:
        return None
    first = files[0][1]
    rows = [_answers_row(baseline, first.baseline, absent("the baseline itself"))]
    rows += [_answers_row(name, _own(cross_cpu), fraction_cell(rate)) for name, cross_cpu, rate in files]
    head = ("Artifact", "Cross-CPU flips", "Kinds", "Compression flips", "Accuracy there", "Change", "Logits differ by")
    caption = f"The same files on {first.target} ({machine(first.environment)})"
    if first.simulated:
        caption = f"The same files on {first.target} (simulated: {first.environment.emulator})"
    if not any(cross_cpu.latency for _, cross_cpu, _ in files):
        note = f"No latency: {first.latency_reason}." if first.latency_reason else ""
        return Table(caption=caption, head=head, rows=tuple(rows), note=note)
    timed = [_base_p50(first), *(_p50(cross_cpu) for _, cross_cpu, _ in files)]
    return Table(
        caption=caption,
        head=(*head, "p50 there"),
        rows=tuple((*row, cell) for row, cell in zip(rows, timed, strict=True)),
    )


def machine(environment: Environment) -> str:
    """Return a CPU, its class and the runtime's version in one line."""
    emulated = f", emulated by {environment.emulator}" if environment.emulator else ""
    runtime = environment.packages.get("onnxruntime", "of unknown version")
    return f"{environment.cpu_model}, {environment.cpu_target}, ONNX Runtime {runtime}{emulated}"


def _own(cross_cpu: CrossCpu) -> CrossCpuPredictions:
    return CrossCpuPredictions(
        **{field.name: getattr(cross_cpu, field.name) for field in dataclasses.fields(CrossCpuPredictions)},
    )


def _answers_row(name: str, predictions: CrossCpuPredictions, compression: Cell) -> tuple[Cell, ...]:
    flips = predictions.flips
    rate = fraction_cell(flips.rate)
    if flips.rate.value is not None and not flips.flips:
        rate = dataclasses.replace(rate, tone=Tone.GOOD, word="none")
    kinds = ", ".join(f"{flip.number:,} {flip.kind}" for flip in flip_counts(flips))
    return (
        words(name),
        rate,
        words(kinds) if kinds else absent(KINDS_NOT_KNOWN),
        compression,
        fraction_cell(predictions.accuracy),
        points_cell(predictions.accuracy_change),
        number_cell(dataclasses.replace(predictions.max_logit_difference, unit="")),
    )


def _base_p50(cross_cpu: CrossCpu) -> Cell:
    return (
        absent(cross_cpu.latency_reason)
        if cross_cpu.latency is None
        else latency_cell(cross_cpu.latency.baseline.p50_ms)
    )


def _p50(cross_cpu: CrossCpu) -> Cell:
    if cross_cpu.latency is None:
        return absent(cross_cpu.latency_reason)
    speedup = speedup_cell(cross_cpu.latency.speedup)
    cell = latency_cell(cross_cpu.latency.candidate.p50_ms)
    return dataclasses.replace(cell, detail=f"{speedup.text} [{speedup.detail}]", tone=speedup.tone, word=speedup.word)
