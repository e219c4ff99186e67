"""The tables of how sure a candidate is: confidence, its errors, prediction sets, and the temperature that repairs."""

from __future__ import annotations

from compress_onnx.records import ConfidenceShift, ConformalSets, Measure, TemperatureRepair, UncertaintyShift
from compress_onnx.report.cells import Cell, Table, absent, change_cell, count, known_cell, words
from compress_onnx.report.figures import percent, plain

HEAD = ("Figure", "Baseline", "Candidate", "Change")
SIZE_DIGITS = 3


def confidence_table(shift: ConfidenceShift) -> Table:
    """Return confidence, margin, calibration errors, log loss and Brier score of both models, and their change."""
    figures = (
        ("Mean confidence", shift.mean_baseline, shift.mean_candidate, shift.change_all),
        ("Mean margin", shift.margin_baseline, shift.margin_candidate, shift.margin_change),
        ("ECE, bins of equal width", shift.ece_baseline, shift.ece_candidate, shift.ece_change),
        (
            "ECE, bins of equal mass",
            shift.ece_equal_mass_baseline,
            shift.ece_equal_mass_candidate,
            shift.ece_equal_mass_change,
        ),
        ("NLL", shift.nll_baseline, shift.nll_candidate, shift.nll_change),
        ("Brier score", shift.brier_baseline, shift.brier_candidate, shift.brier_change),
    )
    return Table(
        caption="Confidence of both models",
        head=HEAD,
        rows=tuple(
            (words(name), known_cell(before), known_cell(after), change_cell(change))
            for name, before, after, change in figures
        ),
        note="ECE: how far confidence and accuracy are apart. Lower is better but for confidence and margin, which are "
        "neither good nor bad alone.",
    )


def confidence_change_table(shift: ConfidenceShift) -> Table:
    """Return the mean confidence change over all, same and flipped predictions."""
    groups = (("all", shift.change_all), ("same class", shift.change_same), ("flipped", shift.change_flipped))
    rows = tuple((words(name), count(measure.n), change_cell(measure)) for name, measure in groups)
    return Table(caption="Confidence change by group", head=("Predictions", "Images", "Mean change"), rows=rows)


def sets_table(found: UncertaintyShift) -> Table:
    """Return coverage and size of both models' prediction sets, overall and for the class covered worst."""
    sets = found.sets
    rows = (
        _row("Coverage", sets.coverage_baseline, sets.coverage_candidate, change_cell(sets.coverage_change)),
        _row("Mean size", sets.size_baseline, sets.size_candidate, change_cell(sets.size_change, SIZE_DIGITS)),
        *_worst_rows(sets),
    )
    return Table(
        caption=f"Prediction sets meant to hold the right class in {percent(sets.level, 0)} of all cases",
        head=HEAD,
        rows=rows,
        note=_sets_note(found),
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


def _sets_note(found: UncertaintyShift) -> str:
    threshold = found.sets.threshold
    if threshold is None:
        return "No threshold could be set."
    return (
        f"A class enters a set from a probability of {plain(threshold, 4)} on: the threshold was set for the baseline on "
        f"{found.calibration_n:,} images and judged on the {found.evaluation_n:,} others (seed {found.seed})."
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
