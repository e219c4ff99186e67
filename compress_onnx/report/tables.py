"""The tables of one candidate's sections: classes, confusions, confidence, saliency, fusion, latency."""

from __future__ import annotations

import dataclasses

import numpy as np

from compress_onnx.metrics.confusion import confusion_tables
from compress_onnx.records import (
    ClassResult,
    Comparison,
    ConfidenceShift,
    ConfusionChange,
    FusionReceipt,
    LatencyComparison,
    LatencyRun,
    SaliencyGroup,
    SaliencyShift,
    TwinFidelity,
)
from compress_onnx.report.bench_words import noise
from compress_onnx.report.cells import (
    ABSENT_TEXT,
    Cell,
    Note,
    Table,
    Tone,
    absent,
    code,
    count,
    fraction_cell,
    latency_cell,
    milliseconds,
    number_cell,
    percent,
    points_cell,
    signed,
    words,
)
from compress_onnx.report.summary import class_cell, is_significant

CLASSES_SHOWN = 60
"""Most classes a chart or table shows; beyond, those that changed most stay."""
CONFUSIONS_SHOWN = 10
FLOAT_NODES_SHOWN = 40


def shown_classes(classes: tuple[ClassResult, ...]) -> tuple[ClassResult, ...]:
    """Return the classes to show, largest loss first; beyond the limit those that changed most.

    >>> shown_classes(())
    ()
    """
    known = [result for result in classes if result.change.value is not None]
    known.sort(key=lambda result: -abs(result.change.value or 0.0))
    return tuple(sorted(known[:CLASSES_SHOWN], key=lambda result: result.change.value or 0.0))


def class_table(classes: tuple[ClassResult, ...]) -> Table | Note:
    """Return recall per class, largest loss first."""
    shown = shown_classes(classes)
    if not shown:
        return Note(reason="No class has a recall: the data has no labels.")
    head = ("Class", "Images", "Recall baseline", "Recall candidate", "Change", "p", "p (Holm)", "Significant")
    hidden = len(classes) - len(shown)
    note = f"{hidden:,} more classes changed less or have no images." if hidden else ""
    return Table(
        caption="Recall per class, largest loss first", head=head, rows=tuple(map(_class_row, shown)), note=note
    )


def _class_row(result: ClassResult) -> tuple[Cell, ...]:
    return (
        words(result.class_name),
        count(result.support),
        fraction_cell(result.recall_baseline),
        fraction_cell(result.recall_candidate),
        class_cell(result),
        _p_value(result.p_value),
        _p_value(result.p_holm),
        words("\u2022 yes" if is_significant(result) else "no"),
    )


def _p_value(value: float | None) -> Cell:
    if value is None:
        return absent("not tested")
    return Cell(text="< 0.001" if value < 0.001 else f"{value:.3f}")


def confusion_table(confusion: ConfusionChange | None, names: tuple[str, ...]) -> Table | Note:
    """Return the confusions that grew or shrank most; the diagonal (right answers) is not among them."""
    if confusion is None:
        return Note(reason="No confusion counts were recorded: the data has no labels.")
    before, after = confusion_tables(confusion, len(names))
    change = after - before
    np.fill_diagonal(change, 0)
    order = np.argsort(-np.abs(change), axis=None, kind="stable")[:CONFUSIONS_SHOWN]
    cells = [np.unravel_index(place, change.shape) for place in order]
    pairs = [(int(row), int(column)) for row, column in cells if change[row, column]]
    rows = tuple(
        (
            words(names[row]),
            words(names[column]),
            count(int(before[row, column])),
            count(int(after[row, column])),
            _confusion_change(int(change[row, column])),
        )
        for row, column in pairs
    )
    if not rows:
        return Note(reason="Candidate and baseline confuse the same classes equally often.")
    head = ("True class", "Predicted", "Baseline", "Candidate", "Change")
    return Table(caption="Confusions that changed most", head=head, rows=rows)


def _confusion_change(change: int) -> Cell:
    tone = Tone.BAD if change > 0 else Tone.GOOD
    return Cell(text=signed(change, 0), tone=tone, word="more wrong" if change > 0 else "fewer wrong")


def confidence_table(shift: ConfidenceShift) -> Table:
    """Return mean confidence, calibration error and log loss of both models."""
    rows = (
        (words("Mean confidence"), fraction_cell(shift.mean_baseline), fraction_cell(shift.mean_candidate)),
        (words("ECE (confidence calibration)"), number_cell(shift.ece_baseline), number_cell(shift.ece_candidate)),
        (words("NLL"), number_cell(shift.nll_baseline), number_cell(shift.nll_candidate)),
    )
    return Table(caption="Confidence of both models", head=("Figure", "Baseline", "Candidate"), rows=rows)


def confidence_change_table(shift: ConfidenceShift) -> Table:
    """Return the mean confidence change over all, same and flipped predictions."""
    groups = (("all", shift.change_all), ("same class", shift.change_same), ("flipped", shift.change_flipped))
    rows = tuple((words(name), count(measure.n), points_cell(measure)) for name, measure in groups)
    return Table(caption="Confidence change by group", head=("Predictions", "Images", "Mean change"), rows=rows)


def saliency_table(shift: SaliencyShift | None) -> Table | Note:
    """Return how similar the maps are, over all, same and flipped predictions."""
    if shift is None:
        return Note(reason="Saliency was not measured in this run.")
    groups = (
        ("all", shift.over_all, None),
        ("same class", shift.over_same, shift.over_same_undefined_reason),
        ("flipped", shift.over_flipped, shift.over_flipped_undefined_reason),
    )
    if shift.over_all is None:
        return Note(reason=shift.undefined_reason or "No saliency map was compared.")
    head = (
        *("Predictions", "Images", "Mean absolute deviation", "Rank correlation", "Top-k overlap", "SSIM"),
        *("Cosine", "Shift of the centre, px"),
    )
    anchors = f"Noise floor {_anchor(shift.noise_floor)}, randomised ceiling {_anchor(shift.randomised_ceiling)}."
    fidelity = f"Twin of the baseline: {_fidelity(shift.fidelity_baseline)}; of the candidate: "
    note = f"{anchors} Method {shift.method}, target {shift.target}, {shift.n:,} images. {fidelity}"
    return Table(
        caption="Similarity of saliency maps",
        head=head,
        rows=tuple(_saliency_row(*group) for group in groups),
        note=f"{note}{_fidelity(shift.fidelity_candidate)}.",
    )


def _saliency_row(name: str, group: SaliencyGroup | None, reason: str | None) -> tuple[Cell, ...]:
    if group is None:
        return (words(name), count(0), *[absent(reason)] * 6)
    measures = (group.mean_absolute_deviation, group.spearman, group.top_k_overlap, group.ssim)
    further = (group.cosine, group.centre_shift_px)
    # The head says the unit: plain numbers.
    return (
        words(name),
        count(group.n),
        *(number_cell(dataclasses.replace(m, unit="")) if m else absent(None) for m in (*measures, *further)),
    )


def _anchor(value: float | None) -> str:
    return ABSENT_TEXT if value is None else f"{value:.4f}"


def _fidelity(fidelity: TwinFidelity) -> str:
    word = "accepted" if fidelity.accepted else "NOT accepted"
    agreement = percent(fidelity.top1_agreement)
    return f"{word}, {agreement} same class on {fidelity.n:,}, logits within {fidelity.max_abs_logit_diff:.2g}"


def fusion_table(fusion: FusionReceipt | None) -> Table | Note:
    """Return the nodes that the runtime computes in floating point, with reasons."""
    if fusion is None:
        return Note(reason="No fusion receipt: the candidate holds no quantised nodes, or fusion was not inspected.")
    if not fusion.float_nodes:
        return Note(reason="Every node runs as an integer kernel.")
    rows = tuple((code(n.op), code(n.name), words(n.reason)) for n in fusion.float_nodes[:FLOAT_NODES_SHOWN])
    hidden = len(fusion.float_nodes) - len(rows)
    note = f"{hidden:,} more float nodes are in run.json." if hidden else ""
    return Table(caption="Nodes left in floating point", head=("Operator", "Node", "Reason"), rows=rows, note=note)


def fusion_facts(fusion: FusionReceipt | None) -> Cell:
    """Return the int8 share of a candidate's compute nodes as one cell with a bar."""
    if fusion is None:
        return absent("not inspected")
    detail = f"{fusion.quantised_nodes:,} integer kernels, {len(fusion.float_nodes):,} float nodes"
    stray = f"{fusion.stray_qdq:,} stray Q/DQ nodes"
    tone = Tone.BAD if fusion.stray_qdq else Tone.PLAIN
    return Cell(
        text=f"{percent(fusion.int8_fraction, 0)} int8",
        detail=f"{detail}, {stray}",
        bar=fusion.int8_fraction,
        tone=tone,
        word="left over" if fusion.stray_qdq else "",
    )


def latency_table(comparisons: tuple[Comparison, ...], baseline: str) -> Table | Note:
    """Return quantiles and load time of every timed pair."""
    timed = [(c.candidate_name, c.latency) for c in comparisons if c.latency is not None]
    if not timed:
        return Note(reason="Latency was not measured in this run.")
    rows = tuple(row for name, latency in timed for row in _latency_rows(name, latency, baseline))
    head = ("Artifact", "p50", "p90", "p99", "Load", "Calls", "Threads, batch, rounds")
    caption = "Latency per call, timed in turns with the baseline"
    return Table(caption=caption, head=head, rows=rows, note=noise(timed[0][1]))


def _latency_rows(name: str, latency: LatencyComparison, baseline: str) -> tuple[tuple[Cell, ...], ...]:
    setting = words(f"{latency.threads}, {latency.batch}, {latency.rounds}")
    first = _latency_row(f"{baseline} (beside {name})", latency.baseline, setting)
    return (first, _latency_row(name, latency.candidate, setting))


def _latency_row(name: str, run: LatencyRun, setting: Cell) -> tuple[Cell, ...]:
    quantiles = (latency_cell(run.p50_ms), latency_cell(run.p90_ms), latency_cell(run.p99_ms))
    return (words(name), *quantiles, Cell(text=milliseconds(run.load_ms)), count(len(run.values_ms)), setting)


def extra_table(comparison: Comparison) -> Table | None:
    """Return the measures that plug-ins added, by name, or ``None`` without any."""
    if not comparison.extra:
        return None
    rows = tuple((words(name), number_cell(measure)) for name, measure in sorted(comparison.extra.items()))
    return Table(caption="Further measures", head=("Measure", "Value"), rows=rows)
