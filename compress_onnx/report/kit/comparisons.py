"""What several sections read from a comparison: the class hurt most, what is beyond chance, flips by kind."""

from __future__ import annotations

import dataclasses

from compress_onnx.records import ClassResult, FlipSummary
from compress_onnx.report.kit.cells import Cell, Tone, points_cell

SIGNIFICANT = 0.05
"""Level below which an adjusted p-value is marked."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FlipCount:
    """One kind of flip and how many there are, with its mark."""

    kind: str
    sign: str
    number: int


def worst_class(classes: tuple[ClassResult, ...]) -> ClassResult | None:
    """Return the class whose recall changed most for the worse, the first of equals, or ``None``.

    >>> worst_class(()) is None
    True
    """
    measured = [result for result in classes if result.change.value is not None]
    return min(measured, key=lambda result: result.change.value or 0.0, default=None)


def spoken_class(name: str) -> str:
    """Return a class's name as it stands in a sentence: a bare number is no name.

    >>> spoken_class("3"), spoken_class("keep left")
    ('class 3', 'keep left')
    """
    return f"class {name}" if name.isdigit() else name


def is_significant(result: ClassResult) -> bool:
    """Say whether a class's change survives Holm's adjustment at 5 %."""
    return result.p_holm is not None and result.p_holm < SIGNIFICANT


def is_discovered(result: ClassResult) -> bool:
    """Say whether a class's change survives Benjamini and Hochberg's adjustment at 5 %: worth a look."""
    return result.p_benjamini_hochberg is not None and result.p_benjamini_hochberg < SIGNIFICANT


def is_hurt(result: ClassResult) -> bool:
    """Say whether a class lost recall, beyond chance."""
    return is_significant(result) and (result.change.value or 0.0) < 0


def class_cell(result: ClassResult) -> Cell:
    """Return a class's recall change; its tone follows the Holm-adjusted p-value, not the lone interval."""
    cell = points_cell(result.change)
    if result.change.value is None or is_significant(result) or result.p_holm is None:
        return cell
    if result.change.value == 0:
        return dataclasses.replace(cell, tone=Tone.PLAIN, word="no change")
    return dataclasses.replace(cell, tone=Tone.UNCLEAR, word="may be chance")


def flip_counts(flips: FlipSummary) -> tuple[FlipCount, ...]:
    """Return the counts by kind with their marks; empty for data without labels."""
    counts = (
        ("negative", "\u25bc", flips.negative),
        ("positive", "\u25b2", flips.positive),
        ("lateral", "\u25c6", flips.lateral),
    )
    return tuple(FlipCount(kind=kind, sign=sign, number=n) for kind, sign, n in counts if n is not None)
