"""The tables of what a candidate answers: accuracy, changed predictions by kind, and how far the outputs moved."""

from __future__ import annotations

from compress_onnx.records import AccuracyChange, Comparison, FlipSummary, Measure, OutputDivergence
from compress_onnx.report.cells import Cell, Note, Table, absent, change_cell, count, known_cell, p_cell, words
from compress_onnx.report.summary import flip_counts

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
    every = (words("All"), count(flips.flips), known_cell(flips.rate), words("the predicted class differs"))
    return Table(
        caption="Changed predictions",
        head=("Kind", "Images", "Rate", "Meaning"),
        rows=(every, *kinds),
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
