"""The first table: one row per candidate, as rich cells for the page and as strings for the terminal."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import (
    Artifact,
    Comparison,
    FlipSummary,
    LatencyComparison,
    RunRecord,
    SaliencyShift,
    ShiftVerdict,
    Verdict,
)
from compress_onnx.report.kit import (
    Cell,
    FlipCount,
    Tone,
    absent,
    class_cell,
    flip_counts,
    fraction_cell,
    is_hurt,
    latency_cell,
    percent,
    plain,
    points_cell,
    size,
    span,
    speedup_cell,
    spoken_class,
    worst_class,
)
from compress_onnx.report.sections import candidate_verdict

# Quarters of the way from the noise floor to the randomized ceiling: a reading aid, not a rule.
NEAR_NOISE, NEAR_RANDOM = 0.25, 0.75
LATENCY_NOT_MEASURED = "latency was not measured"
SALIENCY_NOT_MEASURED = "saliency was not measured"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRow:
    """One candidate on the first screen."""

    name: str
    recipe: str
    verdict: Cell | None
    accuracy_baseline: Cell
    accuracy: Cell
    accuracy_change: Cell
    flips: Cell
    flip_counts: tuple[FlipCount, ...]
    worst_class_name: str
    worst_class: Cell
    confidence: Cell
    saliency: Cell
    p50: Cell
    speedup: Cell
    file_size: Cell
    zipped_size: Cell


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """One candidate as formatted strings: what the terminal's table shows."""

    candidate: str
    accuracy_baseline: str
    accuracy: str
    accuracy_change: str
    flips: str
    worst_class: str
    confidence: str
    saliency: str
    p50: str
    speedup: str
    file_size: str
    zipped_size: str


def summary_rows(record: RunRecord) -> tuple[SummaryRow, ...]:
    """Return one row of formatted strings per candidate; empty for a run without comparisons."""
    return tuple(_as_strings(row) for row in candidate_rows(record))


def candidate_rows(record: RunRecord) -> tuple[CandidateRow, ...]:
    """Return one row of cells per candidate, in the record's order."""
    by_hash = {artifact.sha256: artifact for artifact in record.artifacts}
    return tuple(
        _row(comparison, by_hash.get(comparison.candidate_sha256), record.verdict) for comparison in record.comparisons
    )


def _row(comparison: Comparison, artifact: Artifact | None, verdict: Verdict | None) -> CandidateRow:
    worst = worst_class(comparison.classes)
    before, after = comparison.footprint_baseline, comparison.footprint_candidate
    return CandidateRow(
        name=comparison.candidate_name,
        recipe=_recipe(artifact),
        verdict=candidate_verdict(verdict, comparison.candidate_name),
        accuracy_baseline=fraction_cell(comparison.accuracy.baseline),
        accuracy=fraction_cell(comparison.accuracy.candidate),
        accuracy_change=points_cell(comparison.accuracy.change),
        flips=_flips(comparison.flips),
        flip_counts=flip_counts(comparison.flips),
        worst_class_name=spoken_class(worst.class_name) if worst else "",
        worst_class=class_cell(worst) if worst else absent("no class has a recall, as happens without labels"),
        confidence=points_cell(comparison.confidence.change_all),
        saliency=saliency_cell(comparison.saliency),
        p50=_p50(comparison.latency),
        speedup=_speedup(comparison.latency),
        file_size=_size_cell(after.file_bytes, before.file_bytes),
        zipped_size=_size_cell(after.zip_bytes, before.zip_bytes),
    )


def _recipe(artifact: Artifact | None) -> str:
    if artifact is None:
        return ""
    return f"{artifact.precision}, {percent(artifact.sparsity, 0)} zeros"


def _flips(flips: FlipSummary) -> Cell:
    cell = fraction_cell(flips.rate)
    if flips.rate.value is None or flips.flips:
        return cell
    return dataclasses.replace(cell, tone=Tone.GOOD, word="none")


def saliency_place(shift: SaliencyShift) -> float | None:
    """Return where the deviation lies between noise floor (0) and randomized ceiling (1), unclipped."""
    group, floor, ceiling = shift.over_all, shift.noise_floor, shift.randomized_ceiling
    value = group.mean_absolute_deviation.value if group else None
    if value is None or floor is None or ceiling is None or ceiling <= floor:
        return None
    return (value - floor) / (ceiling - floor)


def saliency_cell(shift: SaliencyShift | None) -> Cell:
    """Return the mean deviation of the maps, placed on its floor-to-ceiling scale."""
    if shift is None or shift.over_all is None:
        return absent(shift.undefined_reason if shift else SALIENCY_NOT_MEASURED)
    measure = shift.over_all.mean_absolute_deviation
    if measure.value is None:
        return absent(measure.undefined_reason)
    place = saliency_place(shift)
    position = shift.scale_position
    interval = f" ({span(position.interval, scale=100, digits=1)})" if position and position.interval else ""
    if place is None:
        return Cell(text=plain(measure.value, 4), detail="no floor-to-ceiling scale")
    tone, word = _placed(place)
    if shift.systematic is not None and shift.systematic.verdict is ShiftVerdict.SYSTEMATIC:
        word = f"{word}, systematic"
        tone = Tone.UNCLEAR if tone == Tone.GOOD else tone
    return Cell(
        text=plain(measure.value, 4),
        detail=f"{percent(place, 1)}{interval}",
        tone=tone,
        word=word,
        bar=min(max(place, 0.0), 1.0),
    )


def _placed(place: float) -> tuple[Tone, str]:
    if place < NEAR_NOISE:
        return Tone.GOOD, "near noise"
    return (Tone.UNCLEAR, "moved") if place < NEAR_RANDOM else (Tone.BAD, "near random")


def _p50(latency: LatencyComparison | None) -> Cell:
    return latency_cell(latency.candidate.p50_ms) if latency else absent(LATENCY_NOT_MEASURED)


def _speedup(latency: LatencyComparison | None) -> Cell:
    if latency is None:
        return absent(LATENCY_NOT_MEASURED)
    return speedup_cell(latency.speedup, significant=latency.significant)


def _size_cell(after: int, before: int) -> Cell:
    return Cell(text=size(after), detail=f"{percent(after / before, 0)} of baseline" if before else "")


def hurt_sentence(record: RunRecord) -> str:
    """Say in one sentence which class loses most, over all candidates."""
    changes = [
        (result, comparison.candidate_name)
        for comparison in record.comparisons
        for result in comparison.classes
        if result.change.value is not None
    ]
    if not changes:
        return "Nobody can be named: no class has a recall, as happens without labels."
    # A significant loss speaks before a larger one that may be chance.
    worst, name = min(changes, key=lambda pair: (not is_hurt(pair[0]), pair[0].change.value or 0.0))
    change = points_cell(worst.change)
    if (worst.change.value or 0.0) >= 0:
        return "No class lost recall under any candidate."
    what = f"\u2068{spoken_class(worst.class_name)}\u2069 under {name}: {change.text} of recall"
    interval = f" ({span(worst.change.interval, scale=100, sign=True)})" if worst.change.interval else ""
    if is_hurt(worst):
        return f"Hurt most: {what}{interval}."
    return f"No class lost recall significantly (Holm, 5 %). Largest drop: {what}{interval}."


def _on_scale(saliency: Cell) -> str:
    """Say what the page shows by a bar: that the place is one on a scale."""
    return saliency.detail if saliency.bar is None else f"{saliency.detail} of the scale"


def _as_strings(row: CandidateRow) -> SummaryRow:
    counts = "\n".join(f"{count.number:,} {count.kind}" for count in row.flip_counts)
    flips = f"{row.flips.stacked}\n{counts}" if counts else row.flips.stacked
    named = f"{row.worst_class_name}:\n" if row.worst_class_name else ""
    return SummaryRow(
        candidate=row.name,
        accuracy_baseline=row.accuracy_baseline.text,
        accuracy=row.accuracy.text,
        accuracy_change=row.accuracy_change.stacked,
        flips=flips,
        worst_class=named + row.worst_class.stacked,
        confidence=row.confidence.stacked,
        saliency=dataclasses.replace(row.saliency, detail=_on_scale(row.saliency)).stacked,
        p50=row.p50.text,
        speedup=row.speedup.stacked,
        file_size=row.file_size.text,
        zipped_size=row.zipped_size.text,
    )
