"""Who is hurt: recall change per class."""

from __future__ import annotations

from plotly import graph_objects as go

from compress_onnx.records import ClassPattern, ClassResult, Comparison, Measure
from compress_onnx.report.kit import (
    BASELINE,
    HARM,
    NARROW_SPACE,
    REPAIR,
    SIGNIFICANT,
    Absent,
    Block,
    Cell,
    Chart,
    Fact,
    Fold,
    Note,
    ReportInput,
    Section,
    Table,
    Tone,
    absent,
    as_figure,
    axis,
    candidate_panels,
    class_cell,
    count,
    fraction_cell,
    is_discovered,
    is_significant,
    keyed,
    label,
    missing_chart,
    p_cell,
    plain,
    words,
)

TITLE = "Classes"
ROW_HEIGHT = 19
FRAME_HEIGHT = 90
CLASSES_SHOWN = 60
"""Most classes a chart or table shows; beyond, those that changed most stay."""
NO_RECALL = "No class has a recall: the data has no labels."
HEAD = (
    *("Class", "Images", "Recall baseline", "Recall candidate", "Change", "Lost", "Won"),
    *("p", "p (Holm)", "p (BH)", "Beyond chance", "Smallest loss it would have shown"),
)


def classes_section(source: ReportInput) -> Section | Absent:
    """Return recall per class of every candidate."""
    results = [result for comparison in source.record.comparisons for result in comparison.classes]
    if all(result.change.value is None for result in results):
        return Absent(title=TITLE, reason="no class has a recall, as happens without labels")
    return Section(
        key="classes",
        title=TITLE,
        good="all intervals hold zero.",
        bad="filled marks on the left: these classes pay for the compression.",
        panels=candidate_panels(source, _blocks),
    )


def _blocks(index: int, comparison: Comparison) -> tuple[Block, ...]:
    chart, table = keyed(f"classes-{index}", class_chart(comparison)), class_table(comparison.classes)
    folded = Fold(summary="Numbers of every class shown", blocks=(table,)) if isinstance(table, Table) else table
    pattern = pattern_cell(comparison.class_pattern)
    return (*((Fact(cell=pattern),) if pattern else ()), chart, folded)


def class_chart(comparison: Comparison) -> Chart:
    """Return the recall change of each class with its interval, largest loss at the top."""
    title = "Recall change per class"
    shown = shown_classes(comparison.classes)
    if not shown:
        return missing_chart(title, NO_RECALL)
    significant, discovered = sum(map(is_significant, shown)), sum(map(is_discovered, shown))
    rows = list(range(len(shown)))
    names = [label(result.class_name) for result in shown]
    layout = {
        "xaxis": axis("points of recall", zeroline=True),
        "yaxis": axis("", tickvals=rows, ticktext=names, range=[len(shown) - 0.4, -0.6]),
        "showlegend": False,
    }
    return Chart(
        title=title,
        alt=f"{len(shown)} classes sorted by change of recall under {comparison.candidate_name}; "
        f"{significant} beyond chance by Holm (filled circles), {discovered} by Benjamini and Hochberg (these and diamonds). "
        "The table below lists the same numbers.",
        height=FRAME_HEIGHT + ROW_HEIGHT * len(shown),
        figure=as_figure([_class_trace(shown, comparison.candidate_name)], layout),
    )


def _class_trace(shown: tuple[ClassResult, ...], candidate: str) -> go.Scatter:
    values = [100 * (result.change.value or 0.0) for result in shown]
    intervals = [result.change.interval for result in shown]
    up = [100 * i.high - value if i else 0.0 for i, value in zip(intervals, values, strict=True)]
    down = [value - 100 * i.low if i else 0.0 for i, value in zip(intervals, values, strict=True)]
    marks = [is_significant(result) or is_discovered(result) for result in shown]
    return go.Scatter(
        x=values,
        y=list(range(len(shown))),
        mode="markers",
        error_x={"array": up, "arrayminus": down, "symmetric": False, "thickness": 1, "width": 0, "color": BASELINE},
        marker={
            "size": 9,
            "color": [_color(value, mark) for value, mark in zip(values, marks, strict=True)],
            "symbol": list(map(_symbol, shown)),
        },
        customdata=[[label(r.class_name), f"{r.support:,}", beyond_chance(r)] for r in shown],
        hovertemplate="%{customdata[0]}<br>%{x:.2f} points, %{customdata[1]} images, beyond chance: %{customdata[2]}"
        "<br>click: its flips<extra></extra>",
        # Read by the page's script: a click on a mark shows the flips behind it.
        meta={"flips": {"candidate": candidate, "labels": [result.class_name for result in shown]}},
    )


def _symbol(result: ClassResult) -> str:
    if is_significant(result):
        return "circle"
    return "diamond" if is_discovered(result) else "circle-open"


def _color(value: float, marked: object) -> str:
    if not marked or value == 0:
        return BASELINE
    return HARM if value < 0 else REPAIR


def shown_classes(classes: tuple[ClassResult, ...]) -> tuple[ClassResult, ...]:
    """Return the classes to show, largest loss first; beyond the limit those that changed most.

    >>> shown_classes(())
    ()
    """
    measured = [result for result in classes if result.change.value is not None]
    measured.sort(key=lambda result: -abs(result.change.value or 0.0))
    return tuple(sorted(measured[:CLASSES_SHOWN], key=lambda result: result.change.value or 0.0))


def class_table(classes: tuple[ClassResult, ...]) -> Table | Note:
    """Return recall per class, largest loss first."""
    shown = shown_classes(classes)
    if not shown:
        return Note(reason=NO_RECALL)
    hidden = len(classes) - len(shown)
    more = f" {hidden:,} more classes changed less or have no images." if hidden else ""
    return Table(
        caption="Recall per class, largest loss first",
        head=HEAD,
        rows=tuple(map(_class_row, shown)),
        note="Lost and won: images that only the baseline, only the candidate got right. Beyond chance at 5 %: by Holm, "
        f"which may decide, or by Benjamini and Hochberg (BH), which points where to look.{more}",
    )


def _class_row(result: ClassResult) -> tuple[Cell, ...]:
    return (
        words(result.class_name),
        count(result.support),
        fraction_cell(result.recall_baseline),
        fraction_cell(result.recall_candidate),
        class_cell(result),
        _number(result.lost),
        _number(result.won),
        p_cell(result.p_value),
        p_cell(result.p_holm),
        p_cell(result.p_benjamini_hochberg),
        words(beyond_chance(result)),
        _loss(result.detectable_loss),
    )


def beyond_chance(result: ClassResult) -> str:
    """Return by which adjustment a class's change is more than chance, in words.

    >>> from compress_onnx.records import Better, undefined
    >>> none = undefined("no images", unit="fraction", better=Better.HIGHER)
    >>> sides = {"recall_baseline": none, "recall_candidate": none, "change": none}
    >>> beyond_chance(ClassResult(class_name="a", support=9, p_value=0.001, p_holm=0.01, **sides)).split()[-1]
    'Holm'
    """
    if is_significant(result):
        return "\u25cf Holm"
    return "\u25c6 BH" if is_discovered(result) else "no"


def _number(number: int | None) -> Cell:
    return absent(None) if number is None else count(number)


def _loss(measure: Measure | None) -> Cell:
    if measure is None or measure.value is None:
        return absent(measure.undefined_reason if measure else None)
    return Cell(text=f"{plain(100 * measure.value)}{NARROW_SPACE}points")


def pattern_cell(pattern: ClassPattern | None) -> Cell | None:
    """Return whether compression treats classes differently, as one sentence; ``None`` where it was not tested."""
    if pattern is None:
        return None
    title = "Between classes"
    spread, p_value = pattern.spread, pattern.p_value.value
    if spread.value is None or p_value is None:
        return Cell(text=title, detail=spread.undefined_reason or pattern.p_value.undefined_reason or "not tested")
    differs = p_value < SIGNIFICANT
    detail = (
        f"true changes of recall spread by {plain(100 * spread.value)} points around their mean; permutation test of "
        f"equal changes over {pattern.n_classes:,} classes: p {p_cell(p_value).text} ({pattern.permutations:,} permutations)"
    )
    tone, word = (Tone.BAD, "some are hurt more than others") if differs else (Tone.GOOD, "no more than chance")
    return Cell(text=title, detail=detail, tone=tone, word=word)
