"""Measures as their reader sees them: text, interval, sign, word and tone, the same on paper and terminal."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from compress_onnx.records import Better, Measure
from compress_onnx.report.kit.figures import NARROW_SPACE, TIMES, milliseconds, percent, plain, signed, span

ABSENT_TEXT = "\u2013"


class Tone(StrEnum):
    """How a number is to be felt; never told by color alone."""

    GOOD = "good"
    BAD = "bad"
    UNCLEAR = "unclear"
    PLAIN = "plain"
    ABSENT = "absent"


SIGNS = {Tone.GOOD: "\u25b2", Tone.BAD: "\u25bc", Tone.UNCLEAR: "\u2248", Tone.PLAIN: "", Tone.ABSENT: ""}


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """What a good, a bad and an undecided change are called."""

    good: str = "better"
    bad: str = "worse"
    unclear: str = "no clear change"


CHANGE_WORDS = Words()


SPEED_WORDS = Words("faster", "slower", "not significant")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One formatted fact: main ``text``, small ``detail`` (interval or reason), ``word`` and ``tone``.

    ``bar`` (0 to 1) draws a bar beside the text; ``kind`` is ``number``, ``text``, ``code`` or
    ``outcome``; ``mark`` replaces the tone's own sign; ``href`` is where a row's header leads.
    """

    text: str
    detail: str = ""
    word: str = ""
    tone: Tone = Tone.PLAIN
    kind: str = "number"
    bar: float | None = None
    mark: str = ""
    href: str = ""

    @property
    def sign(self) -> str:
        """Return the mark that says the tone without color."""
        return self.mark or SIGNS[self.tone]

    @property
    def line(self) -> str:
        """Return the whole cell as one line of plain text.

        >>> Cell(text="+1.00 points", detail="0.50 to 1.50", word="better").line
        '+1.00 points (0.50 to 1.50) better'
        """
        detail = f"({self.detail})" if self.detail else ""
        return " ".join(part for part in (self.text, detail, self.word) if part)

    @property
    def stacked(self) -> str:
        """Return the whole cell as up to three short lines, for the narrow columns of a terminal.

        >>> Cell(text="+1.00 points", detail="0.50 to 1.50", word="better").stacked.splitlines()
        ['+1.00 points', '0.50 to 1.50', 'better']
        """
        word = f"{self.sign} {self.word}" if self.word and self.sign else self.word
        return "\n".join(part for part in (self.text, self.detail, word) if part)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A captioned table; the first cell of each row is its header."""

    shape: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence in a table's place: why there is none."""

    shape: ClassVar[str] = "missing"
    reason: str


def absent(reason: str | None) -> Cell:
    """Return the cell of a number that could not be given, with its reason.

    >>> absent("no labels").detail
    'no labels'
    """
    return Cell(text=ABSENT_TEXT, detail=reason or "not recorded", tone=Tone.ABSENT)


def words(text: str) -> Cell:
    """Return a cell of prose or a name."""
    return Cell(text=text, kind="text")


def code(text: str) -> Cell:
    """Return a cell of something a machine reads: a hash, a path, an operator."""
    return Cell(text=text, kind="code")


def count(number: int) -> Cell:
    """Return a cell of a count with thousands separated."""
    return Cell(text=f"{number:,}")


def fraction_cell(measure: Measure) -> Cell:
    """Return a fraction as a percentage with its interval."""
    if measure.value is None:
        return absent(measure.undefined_reason)
    return Cell(text=percent(measure.value), detail=span(measure.interval, scale=100))


def tone_of(measure: Measure, *, zero: float = 0.0) -> Tone:
    """Return the tone of a change: decided only where the interval leaves ``zero`` on one side.

    >>> from compress_onnx.records import undefined
    >>> tone_of(undefined("no labels", unit="fraction", better=Better.HIGHER))
    <Tone.ABSENT: 'absent'>
    """
    if measure.value is None:
        return Tone.ABSENT
    if measure.interval is None or measure.better == Better.NEITHER:
        return Tone.PLAIN
    if measure.interval.low <= zero <= measure.interval.high:
        return Tone.UNCLEAR
    rises = measure.interval.low > zero
    return Tone.GOOD if rises == (measure.better == Better.HIGHER) else Tone.BAD


def word_of(tone: Tone, vocabulary: Words = CHANGE_WORDS) -> str:
    """Return the word that goes with a tone, empty for plain and absent ones."""
    return {Tone.GOOD: vocabulary.good, Tone.BAD: vocabulary.bad, Tone.UNCLEAR: vocabulary.unclear}.get(tone, "")


def points_cell(measure: Measure) -> Cell:
    """Return a change of a fraction in percentage points, with interval, tone and word."""
    if measure.value is None:
        return absent(measure.undefined_reason)
    tone = tone_of(measure)
    detail = span(measure.interval, scale=100, sign=True)
    return Cell(text=f"{signed(100 * measure.value)} points", detail=detail, tone=tone, word=word_of(tone))


def speedup_cell(measure: Measure, *, significant: bool | None = None) -> Cell:
    """Return a ratio of latencies (baseline over candidate).

    *Not significant* if its interval holds 1, or if ``significant`` denies that it is more than noise.
    """
    if measure.value is None:
        return absent(measure.undefined_reason)
    tone = tone_of(dataclasses.replace(measure, better=Better.HIGHER), zero=1.0)
    if significant is False and tone != Tone.PLAIN:
        tone = Tone.UNCLEAR
    return Cell(
        text=f"{plain(measure.value)}{TIMES}",
        detail=span(measure.interval),
        tone=tone,
        word=word_of(tone, SPEED_WORDS),
    )


def latency_cell(measure: Measure) -> Cell:
    """Return a latency in milliseconds with its interval."""
    if measure.value is None:
        return absent(measure.undefined_reason)
    interval = measure.interval
    detail = f"{milliseconds(interval.low)} to {milliseconds(interval.high)}" if interval else ""
    return Cell(text=milliseconds(measure.value), detail=detail)


def number_cell(measure: Measure, digits: int = 4) -> Cell:
    """Return a measure of any other unit: fractions in percent, the rest as a number with its unit."""
    if measure.value is None:
        return absent(measure.undefined_reason)
    if measure.unit == "fraction":
        return fraction_cell(measure)
    return Cell(text=f"{plain(measure.value, digits)}{_unit(measure)}", detail=span(measure.interval, digits=digits))


def change_cell(measure: Measure | None, digits: int = 4) -> Cell:
    """Return a change of any unit, fractions in points, with interval, tone and word; ``None`` was not recorded.

    >>> loss = Measure(value=0.25, unit="nats", better=Better.LOWER, n=9)
    >>> change_cell(loss, 2).text.replace(NARROW_SPACE, " ")
    '+0.25 nats'
    """
    if measure is None:
        return absent(None)
    if measure.value is None:
        return absent(measure.undefined_reason)
    if measure.unit == "fraction":
        return points_cell(measure)
    tone = tone_of(measure)
    return Cell(
        text=f"{signed(measure.value, digits)}{_unit(measure)}",
        detail=span(measure.interval, sign=True, digits=digits),
        tone=tone,
        word=word_of(tone),
    )


def _unit(measure: Measure) -> str:
    return "" if measure.unit in {"", "1", "none", "ratio", "p-value"} else f"{NARROW_SPACE}{measure.unit}"


def known_cell(measure: Measure | None, digits: int = 4) -> Cell:
    """Return a measure's cell; ``None`` was not recorded, as by an older version.

    >>> known_cell(None).detail
    'not recorded'
    """
    return absent(None) if measure is None else number_cell(measure, digits)


def p_cell(value: float | None, reason: str | None = "not tested") -> Cell:
    """Return a p-value: three digits, below which only that it is smaller is told.

    >>> p_cell(0.0004).text, p_cell(0.25).text
    ('< 0.001', '0.250')
    """
    if value is None:
        return absent(reason)
    return Cell(text="< 0.001" if value < 0.001 else f"{value:.3f}")
