"""What the candidates predict: accuracy, changed predictions by kind, and how far the outputs moved."""

from __future__ import annotations

from plotly import graph_objects as go

from compress_onnx.records import AccuracyChange, Comparison, FlipSummary, Measure, OutputDivergence, RunRecord
from compress_onnx.report.kit import (
    KIND_STYLE,
    Absent,
    Block,
    Cell,
    Chart,
    Note,
    Pair,
    Panel,
    ReportInput,
    Section,
    Table,
    absent,
    as_figure,
    axis,
    candidate_panels,
    change_cell,
    count,
    flip_counts,
    keyed,
    known_cell,
    label,
    missing_chart,
    p_cell,
    words,
)

TITLE = "Predictions"
ROW_HEIGHT = 30
FRAME_HEIGHT = 110
# What tells the kinds apart in gray.
HATCHES = {"negative": "", "positive": "/", "lateral": "x", "unlabeled": ""}
MEANINGS = {
    "negative": "right to wrong",
    "positive": "wrong to right",
    "lateral": "wrong to another wrong",
}
DISTANCES = {
    "jensen_shannon": ("Jensen-Shannon divergence", "0: equal probabilities; 0.69: nothing in common"),
    "kullback_leibler": ("Kullback-Leibler divergence", "as the baseline sees the candidate; 0: equal"),
    "logit_mean_absolute_error": ("Mean absolute error of the logits", ""),
    "logit_rms_error": ("Root mean square error of the logits", ""),
    "logit_max_error": ("Largest error of a logit", ""),
    "logit_signal_to_noise": ("Signal to noise of the logits", "higher is better"),
}
DIGITS = {"dB": 1}
NO_FIVE = "not recorded: five classes or fewer, or an older version"


def predictions_section(source: ReportInput) -> Section | Absent:
    """Return the flips of all candidates in one chart, then each candidate's answers in numbers."""
    if not source.record.comparisons:
        return Absent(title=TITLE, reason="this run compared no candidate")
    chart = keyed("flips-by-kind", flip_chart(source.record))
    return Section(
        key="predictions",
        title=TITLE,
        good="few changed predictions, and no more of them from right to wrong than from wrong to right.",
        bad="equal accuracy that hides many changed predictions: what was won on one picture was lost on another.",
        panels=(Panel(blocks=(chart,)), *candidate_panels(source, _blocks)),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    del index
    extra = extra_table(comparison)
    right = (divergence_table(comparison.divergence), *((extra,) if extra else ()))
    return (Pair(left=(accuracy_table(comparison.accuracy), flip_table(comparison.flips)), right=right),)


def flip_chart(record: RunRecord) -> Chart:
    """Return one bar per candidate, stacked by kind of flip, in percent of all images."""
    title = "Changed predictions by kind"
    rows = [(comparison.candidate_name, comparison.flips) for comparison in record.comparisons]
    if not any(flips.flips for _, flips in rows):
        return missing_chart(title, "No prediction changed under any candidate.")
    numbers = {kind: [_number(flips, kind) for _, flips in rows] for kind in KIND_STYLE}
    traces = [_bars(kind, counts, [flips.n for _, flips in rows]) for kind, counts in numbers.items() if any(counts)]
    ticks = {"tickvals": list(range(len(rows))), "ticktext": [label(name) for name, _ in rows]}
    layout = {
        "xaxis": axis("% of all images", rangemode="tozero"),
        "yaxis": axis("", range=[len(rows) - 0.4, -0.6], **ticks),
        "barmode": "stack",
        "bargap": 0.35,
    }
    most = max(rows, key=lambda row: row[1].flips)
    return Chart(
        title=title,
        alt=f"Share of changed predictions of {len(rows)} candidates by kind; most, {most[1].flips:,}, under "
        f"\u2068{most[0]}\u2069.",
        height=FRAME_HEIGHT + ROW_HEIGHT * len(rows),
        figure=as_figure(traces, layout),
    )


def _number(flips: FlipSummary, kind: str) -> int:
    if kind == "unlabeled":
        return flips.flips if flips.negative is None else 0
    return int(getattr(flips, kind) or 0)


def _bars(kind: str, numbers: list[int], totals: list[int]) -> go.Bar:
    color, _ = KIND_STYLE[kind]
    return go.Bar(
        orientation="h",
        name=kind,
        x=[100 * number / total if total else 0.0 for number, total in zip(numbers, totals, strict=True)],
        y=list(range(len(numbers))),
        marker={
            "color": color,
            "pattern": {"shape": HATCHES[kind], "bgcolor": color, "fgcolor": "white", "fgopacity": 0.6},
        },
        customdata=[f"{number:,}" for number in numbers],
        hovertemplate="%{customdata} " + kind + ", %{x:.2f} %<extra></extra>",
    )


def accuracy_table(accuracy: AccuracyChange) -> Table:
    """Return top-1 and top-5 accuracy of both models and the paired change."""
    tops = (
        ("Top 1", accuracy.baseline, accuracy.candidate, accuracy.change),
        ("Top 5", accuracy.top5_baseline, accuracy.top5_candidate, accuracy.top5_change),
    )
    return Table(
        caption="Accuracy",
        head=("Right answer among", "Baseline", "Candidate", "Change"),
        rows=tuple(
            (words(name), _top(before), _top(after), change_cell(change) if change else absent(NO_FIVE))
            for name, before, after, change in tops
        ),
    )


def _top(measure: Measure | None) -> Cell:
    return absent(NO_FIVE) if measure is None else known_cell(measure)


def flip_table(flips: FlipSummary) -> Table:
    """Return number and rate of changed predictions, all and by kind; without labels all alone."""
    rates = {"negative": flips.negative_rate, "positive": flips.positive_rate, "lateral": flips.lateral_rate}
    kinds = tuple(
        (
            words(f"{flip.sign} {flip.kind}"),
            count(flip.number),
            known_cell(rates[flip.kind]),
            words(MEANINGS[flip.kind]),
        )
        for flip in flip_counts(flips)
    )
    overall = (words("All"), count(flips.flips), known_cell(flips.rate), words("the predicted class differs"))
    return Table(
        caption="Changed predictions",
        head=("Kind", "Images", "Rate", "Meaning"),
        rows=(overall, *kinds),
        note=f"Of {flips.n:,} images. {_mcnemar(flips.mcnemar_p)}",
    )


def _mcnemar(measure: Measure) -> str:
    if measure.value is None:
        return f"McNemar's test of equal accuracy: none, {measure.undefined_reason}."
    return f"McNemar's test of equal accuracy (mid-p): p {p_cell(measure.value).text}."


def divergence_table(divergence: OutputDivergence | None) -> Table | Note:
    """Return how far the candidate's outputs are from the baseline's; this needs no labels."""
    if divergence is None:
        return Note(reason="The distance of the outputs was not recorded.")
    rows = tuple(
        (words(title), _distance(getattr(divergence, name)), words(reading))
        for name, (title, reading) in DISTANCES.items()
    )
    return Table(caption="How far the outputs moved", head=("Distance", "Value", "Reading"), rows=rows)


def _distance(measure: Measure) -> Cell:
    return known_cell(measure, DIGITS.get(measure.unit, 4))


def extra_table(comparison: Comparison) -> Table | None:
    """Return the measures that plug-ins added, by name, or ``None`` without any that no other table shows."""
    shown = DISTANCES if comparison.divergence is not None else {}
    further = [pair for pair in sorted(comparison.extra.items()) if pair[0] not in shown]
    if not further:
        return None
    rows = tuple((words(name), known_cell(measure)) for name, measure in further)
    return Table(caption="Further measures", head=("Measure", "Value"), rows=rows)
