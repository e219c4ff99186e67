"""A row of the table: both sides' figures, their ratio and the bar it must reach."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

Reach: TypeAlias = Literal["at least", "at most"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure; ``skipped`` says why there is none."""

    figure: str
    bar: float
    reach: Reach
    ours: str = ""
    reference: str = ""
    value: float | None = None
    skipped: str = ""

    @property
    def passed(self) -> bool | None:
        """Tell whether the bar was reached, ``None`` where nothing was measured."""
        if self.value is None:
            return None
        return self.value >= self.bar if self.reach == "at least" else self.value <= self.bar

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the row."""
        value = "-" if self.value is None else f"{self.value:.3g}"
        verdict = {True: "pass", False: "FAIL", None: f"skipped: {self.skipped}"}[self.passed]
        return self.figure, self.ours or "-", self.reference or "-", value, f"{self.reach} {self.bar:.3g}", verdict


HEAD = ("figure", "ours", "reference", "ratio", "bar", "")


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table with aligned columns."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_ruled(lines, widths))


def _ruled(lines: list[tuple[str, ...]], widths: list[int]) -> Iterator[str]:
    for number, cells in enumerate(lines):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"
