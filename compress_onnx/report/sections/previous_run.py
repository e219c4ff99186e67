"""What changed since a previous run; only in a report that was asked to hold the two together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from compress_onnx.records import Better, Comparison, Measure, RunRecord
from compress_onnx.report.kit import (
    ABSENT_TEXT,
    NARROW_SPACE,
    TIMES,
    Absent,
    Block,
    Cell,
    Columns,
    Note,
    Panel,
    PreviousRun,
    ReportInput,
    Section,
    Table,
    Text,
    Tone,
    absent,
    candidate_panels,
    code,
    of_candidate,
    percent,
    plain,
    signed,
    size,
    span,
    word_of,
    words,
    worst_class,
)

TITLE = "Compared with an older run"
ONLY_HERE, ONLY_THERE = "only in this run", "only in the older run"


def previous_run_section(source: ReportInput) -> Section | Absent | None:
    """Return both runs' figures side by side, ``None`` where there is no previous run."""
    previous = source.previous
    if previous is None:
        return None
    return Section(
        key="against",
        title=TITLE,
        good="nothing got worse, and what both runs were made with is the same.",
        bad="a figure got worse beyond both intervals, or the two runs used other images, so that nothing compares.",
        panels=(
            Panel(blocks=_both(source, previous)),
            *candidate_panels(source, lambda _, comparison: _blocks(source, previous, comparison)),
        ),
    )


def _both(source: ReportInput, previous: PreviousRun) -> tuple[Block, ...]:
    before, after = previous.record, source.record
    sentences = [f"Older run: {before.run_id}, {before.started_at}.", verdict_sentence(before, after)]
    if before.dataset.sha256 != after.dataset.sha256:
        sentences.append("The runs used other images: differences of figures may be differences of data.")
    sentences += unmatched(before.comparisons, after.comparisons)
    settings = setting_table(before, after)
    return (*(Text(text=text) for text in sentences), *((settings,) if settings else ()))


def _blocks(source: ReportInput, previous: PreviousRun, comparison: Comparison) -> tuple[Block, ...]:
    name = comparison.candidate_name
    before = next((c for c in previous.record.comparisons if c.candidate_name == name), None)
    if before is None:
        return (Note(reason=f"This candidate is {ONLY_HERE}."),)
    sentence = predictions_changed(previous.samples, source.samples, name)
    return (figures_table(before, comparison), Text(text=sentence))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a comparison: how it is read out, and how its value and its change are written.

    ``change`` is given the older value and the change; an interval is written times ``scale`` with
    so many ``digits``.
    """

    name: str
    read: Callable[[Comparison], Measure | None]
    write: Callable[[float], str]
    change: Callable[[float, float], str]
    scale: float = 100.0
    digits: int = 2


def _worst(comparison: Comparison) -> Measure | None:
    worst = worst_class(comparison.classes)
    return worst.change if worst else None


def _deviation(comparison: Comparison) -> Measure | None:
    group = comparison.saliency.over_all if comparison.saliency else None
    return group.mean_absolute_deviation if group else None


def _file(comparison: Comparison) -> Measure:
    footprint = comparison.footprint_candidate
    return Measure(value=float(footprint.file_bytes), unit="bytes", better=Better.LOWER, n=1)


def _points(value: float) -> str:
    return f"{signed(100 * value)} points"


def _points_more(before: float, change: float) -> str:
    del before
    return _points(change)


def _share_more(before: float, change: float) -> str:
    return f"{signed(100 * change / before, 1)}{NARROW_SPACE}%" if before else ABSENT_TEXT


FIGURES = (
    Figure(name="Accuracy", read=lambda c: c.accuracy.candidate, write=percent, change=_points_more),
    Figure(name="Accuracy change", read=lambda c: c.accuracy.change, write=_points, change=_points_more),
    Figure(name="Flips", read=lambda c: c.flips.rate, write=percent, change=_points_more),
    Figure(name="Worst class", read=_worst, write=_points, change=_points_more),
    Figure(
        name="Saliency deviation",
        read=_deviation,
        write=lambda value: plain(value, 4),
        change=lambda _, change: signed(change, 4),
        scale=1.0,
        digits=4,
    ),
    Figure(
        name="Speed-up",
        read=lambda c: c.latency.speedup if c.latency else None,
        write=lambda value: f"{plain(value)}{TIMES}",
        change=lambda _, change: signed(change),
        scale=1.0,
    ),
    Figure(name="File", read=_file, write=lambda value: size(round(value)), change=_share_more, scale=1.0),
)


def figures_table(before: Comparison, after: Comparison) -> Table:
    """Return the figures of one candidate in both runs and how they moved.

    A move counts as clear where the two intervals do not overlap: stricter than a test of the
    difference, and fair to runs on different images.
    """
    rows = tuple(row for row in (_figure_row(figure, before, after) for figure in FIGURES) if row)
    return Table(
        caption="Figures in both runs",
        head=("Figure", "Older run", "This run", "Moved"),
        rows=rows,
        note="A move is called better or worse only where the two intervals do not overlap.",
    )


def _figure_row(figure: Figure, before: Comparison, after: Comparison) -> tuple[Cell, ...] | None:
    old, new = figure.read(before), figure.read(after)
    if old is None and new is None:
        return None
    return (words(figure.name), _value(figure, old), _value(figure, new), moved(figure, old, new))


def _value(figure: Figure, measure: Measure | None) -> Cell:
    if measure is None or measure.value is None:
        return absent(measure.undefined_reason if measure else "not measured")
    detail = span(measure.interval, scale=figure.scale, digits=figure.digits)
    return Cell(text=figure.write(measure.value), detail=detail)


def moved(figure: Figure, old: Measure | None, new: Measure | None) -> Cell:
    """Return how a figure moved, *no clear change* where the intervals overlap."""
    if old is None or new is None or old.value is None or new.value is None:
        return absent("not in both runs")
    change = new.value - old.value
    if change == 0:
        return Cell(text="the same", kind="text")
    tone = _tone(old, new)
    return Cell(text=figure.change(old.value, change), tone=tone, word=word_of(tone))


def _tone(old: Measure, new: Measure) -> Tone:
    if old.value is None or new.value is None or new.better == Better.NEITHER:
        return Tone.PLAIN
    if old.interval and new.interval:
        apart = new.interval.low > old.interval.high or new.interval.high < old.interval.low
    else:
        # A size is known exactly; a mean without an interval is not.
        apart = old.unit == "bytes"
    if not apart:
        return Tone.UNCLEAR
    return Tone.GOOD if (new.value > old.value) == (new.better == Better.HIGHER) else Tone.BAD


def predictions_changed(previous: Columns | None, this: Columns | None, candidate: str) -> str:
    """Say how many of the candidate's answers on the samples of both runs differ.

    >>> predictions_changed(None, None, "w8a8")
    'Single answers cannot be compared: samples.parquet is missing in one of the runs.'
    """
    if previous is None or this is None:
        return "Single answers cannot be compared: samples.parquet is missing in one of the runs."
    before, after = of_candidate(previous, candidate), of_candidate(this, candidate)
    _, left, right = np.intersect1d(before["sample_id"], after["sample_id"], return_indices=True)
    if not left.size:
        return "Single answers cannot be compared: the runs share no sample."
    different = before["candidate_class"][left] != after["candidate_class"][right]
    number = int(np.count_nonzero(different))
    return f"The candidate answers differently on {number:,} of {left.size:,} samples that both runs hold."


def setting_table(previous: RunRecord, this: RunRecord) -> Table | None:
    """Return what the two runs were made with, where it differs, ``None`` where nothing does."""
    pairs = {**_settings(previous)}
    rows = tuple(
        (words(name), code(pairs.get(name, ABSENT_TEXT)), code(value))
        for name, value in _settings(this).items()
        if pairs.get(name, ABSENT_TEXT) != value
    )
    if not rows:
        return None
    return Table(caption="Made with something else", head=("Setting", "Older run", "This run"), rows=rows)


def _settings(record: RunRecord) -> dict[str, str]:
    environment, data = record.environment, record.dataset
    settings = {
        "Data": f"{data.name}, {data.split}, {data.n:,} images, {data.sha256[:12]}",
        "Baseline": record.artifacts[0].sha256[:12] if record.artifacts else ABSENT_TEXT,
        "CPU": environment.cpu_model,
        "CPU target": environment.cpu_target,
        "System": environment.system,
        "Python": environment.python,
    }
    settings |= {f"Option {name}": str(value) for name, value in sorted(record.config.items())}
    return settings | {f"Package {name}": version for name, version in sorted(environment.packages.items())}


def unmatched(previous: Iterable[Comparison], this: Iterable[Comparison]) -> tuple[str, ...]:
    """Return sentences about candidates that one run alone holds, by name."""
    before, after = ([c.candidate_name for c in run] for run in (previous, this))
    here = [f"\u2068{name}\u2069 is {ONLY_HERE}." for name in after if name not in before]
    there = [f"\u2068{name}\u2069 is {ONLY_THERE}." for name in before if name not in after]
    return (*here, *there)


def verdict_sentence(previous: RunRecord, this: RunRecord) -> str:
    """Say both verdicts in one sentence."""
    before = str(previous.verdict.outcome) if previous.verdict else "no verdict"
    after = str(this.verdict.outcome) if this.verdict else "no verdict"
    if before == after:
        return f"Verdict: {after}, as before."
    return f"Verdict: {before} before, {after} now."
