"""Whether the baseline's uncertainty still holds: prediction sets, and the temperature that repairs confidence."""

from __future__ import annotations

from compress_onnx.records import Comparison, ConformalSets, Measure, TemperatureRepair, UncertaintyShift
from compress_onnx.report.kit import (
    Absent,
    Block,
    Cell,
    Note,
    Pair,
    ReportInput,
    Section,
    Table,
    absent,
    candidate_panels,
    change_cell,
    known_cell,
    percent,
    plain,
    words,
)
from compress_onnx.report.sections.confidence import HEAD

TITLE = "Uncertainty"
SIZE_DIGITS = 3


def uncertainty_section(source: ReportInput) -> Section | Absent:
    """Return prediction sets and temperatures of every candidate."""
    shifts = [comparison.uncertainty for comparison in source.record.comparisons if comparison.uncertainty]
    if not shifts:
        return Absent(title=TITLE, reason="the run's record holds no prediction sets")
    reasons = {shift.sets.coverage_candidate.undefined_reason for shift in shifts}
    if None not in reasons:
        return Absent(title=TITLE, reason="; ".join(sorted(filter(None, reasons))))
    return Section(
        key="uncertainty",
        title=TITLE,
        good="the candidate's sets cover what the baseline's do, at the same size, and its temperature is the same.",
        bad="coverage below the promise: a threshold tuned on the baseline no longer protects.",
        panels=candidate_panels(source, _blocks),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    del index
    shift = comparison.uncertainty
    if shift is None:
        return (Note(reason="No prediction sets were recorded."),)
    return (Pair(left=(sets_table(shift),), right=(temperature_table(shift.temperature),)),)


def sets_table(shift: UncertaintyShift) -> Table:
    """Return coverage and size of both models' prediction sets, overall and for the class covered worst."""
    sets = shift.sets
    rows = (
        _row("Coverage", sets.coverage_baseline, sets.coverage_candidate, change_cell(sets.coverage_change)),
        _row("Mean size", sets.size_baseline, sets.size_candidate, change_cell(sets.size_change, SIZE_DIGITS)),
        *_worst_rows(sets),
    )
    return Table(
        caption=f"Prediction sets meant to hold the right class in {percent(sets.level, 0)} of all cases",
        head=HEAD,
        rows=rows,
        note=_sets_note(shift),
    )


def _row(name: str, before: Measure, after: Measure, change: Cell) -> tuple[Cell, ...]:
    return (words(name), known_cell(before, SIZE_DIGITS), known_cell(after, SIZE_DIGITS), change)


def _worst_rows(sets: ConformalSets) -> tuple[tuple[Cell, ...], ...]:
    if sets.worst_class is None:
        return ()
    # No paired interval was taken for one class: each side's own says how little one class tells.
    alone = absent("each side's interval says how sure it is")
    name = f"\u2068{sets.worst_class}\u2069"
    return (
        _row(f"Coverage of {name}", sets.worst_coverage_baseline, sets.worst_coverage_candidate, alone),
        _row(f"Mean size for {name}", sets.worst_size_baseline, sets.worst_size_candidate, alone),
    )


def _sets_note(shift: UncertaintyShift) -> str:
    threshold = shift.sets.threshold
    if threshold is None:
        return "No threshold could be set."
    return (
        f"A class enters a set from a probability of {plain(threshold, 4)} on: the threshold was set for the baseline on "
        f"{shift.calibration_n:,} images and judged on the {shift.evaluation_n:,} others (seed {shift.seed})."
    )


def temperature_table(repair: TemperatureRepair) -> Table:
    """Return each model's best temperature, and the calibration error with and without it."""
    figures = (
        ("Temperature", repair.temperature_baseline, repair.temperature_candidate),
        ("ECE as it is", repair.ece_baseline, repair.ece_candidate),
        ("ECE at that temperature", repair.repaired_ece_baseline, repair.repaired_ece_candidate),
    )
    return Table(
        caption="The temperature that makes confidence keep its word",
        head=HEAD[:3],
        rows=tuple((words(name), known_cell(before), known_cell(after)) for name, before, after in figures),
        note="Logits are divided by the temperature before softmax: above 1 the model was too sure of itself. "
        "Classes do not change.",
    )
