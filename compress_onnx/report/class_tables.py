"""The tables of who is hurt: recall per class, and the mistakes that grew or shrank."""

from __future__ import annotations

from compress_onnx.records import ChangedConfusion, ClassPattern, ClassResult, ConfusionChange, Measure
from compress_onnx.report.cells import Cell, Note, Table, Tone, absent, count, fraction_cell, p_cell, words
from compress_onnx.report.figures import NARROW_SPACE, plain, signed
from compress_onnx.report.summary import SIGNIFICANT, class_cell, is_discovered, is_significant

CLASSES_SHOWN = 60
"""Most classes a chart or table shows; beyond, those that changed most stay."""
NO_RECALL = "No class has a recall: the data has no labels."
HEAD = (
    *("Class", "Images", "Recall baseline", "Recall candidate", "Change", "Lost", "Won"),
    *("p", "p (Holm)", "p (BH)", "Beyond chance", "Smallest loss it would have shown"),
)


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


def confusion_table(confusion: ConfusionChange | None) -> Table | Note:
    """Return the mistakes that grew or shrank most, as the record lists them."""
    if confusion is None:
        return Note(reason="No confusion counts were recorded: the data has no labels.")
    if not confusion.most_changed:
        return Note(reason="Candidate and baseline make the same mistakes equally often.")
    head = ("True class", "Predicted", "Baseline", "Candidate", "Change")
    return Table(
        caption="Mistakes whose number changed most", head=head, rows=tuple(map(_confusion_row, confusion.most_changed))
    )


def _confusion_row(found: ChangedConfusion) -> tuple[Cell, ...]:
    grew = found.change > 0
    change = Cell(
        text=signed(found.change, 0),
        tone=Tone.BAD if grew else Tone.GOOD,
        word="more wrong" if grew else "fewer wrong",
    )
    return (
        words(found.true_class),
        words(found.predicted_class),
        count(found.baseline),
        count(found.candidate),
        change,
    )
