"""What a page is made of: sections of panels, a panel of blocks; the templates know nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, TypeAlias

from compress_onnx.records import Comparison
from compress_onnx.report.kit.cells import Cell, Note, Table
from compress_onnx.report.kit.chart import Chart
from compress_onnx.report.kit.source import ReportInput


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One cell that speaks for itself."""

    shape: ClassVar[str] = "fact"
    cell: Cell


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A sentence of prose."""

    shape: ClassVar[str] = "text"
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Sentences, one below the other, under a title where they need one."""

    shape: ClassVar[str] = "listing"
    items: tuple[str, ...]
    title: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line that can be copied."""

    shape: ClassVar[str] = "command"
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of a gallery: PNG bytes as base64 text, what it is called and what it shows."""

    data: str
    caption: str
    alt: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures beside each other, drawn in whole pixels, under one caption."""

    shape: ClassVar[str] = "gallery"
    caption: str
    pictures: tuple[Picture, ...]
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two columns of blocks, one below the other where the window is narrow."""

    shape: ClassVar[str] = "pair"
    left: tuple[Block, ...]
    right: tuple[Block, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Blocks that are shown when asked for."""

    shape: ClassVar[str] = "fold"
    summary: str
    blocks: tuple[Block, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Blocks in rows of so many columns, fewer where the window is narrow."""

    shape: ClassVar[str] = "grid"
    columns: int
    blocks: tuple[Block, ...]


Block: TypeAlias = Chart | Table | Note | Fact | Text | Listing | Command | Gallery | Pair | Fold | Grid


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Blocks of one candidate, or of all where ``index``, its place in the record, is ``None``."""

    blocks: tuple[Block, ...]
    index: int | None = None
    name: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section: its anchor, title, what a good and a bad picture looks like, and its panels.

    A section that needs mark-up of its own names a ``template`` and gives it ``content``; ``data``
    goes into the page as JSON, by element id, for its script.
    """

    key: str
    title: str
    good: str
    bad: str
    panels: tuple[Panel, ...] = ()
    template: str = "kit/panels.html.j2"
    content: object = None
    data: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A section that is not in the report, and why."""

    title: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of nothing but sections under a title: for whatever is no run's report."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]


SectionMaker: TypeAlias = Callable[[ReportInput], Section | Absent | None]


def candidate_panels(source: ReportInput, blocks: Callable[[int, Comparison], tuple[Block, ...]]) -> tuple[Panel, ...]:
    """Return one panel per candidate; ``blocks`` is given its place in the record and its comparison."""
    return tuple(
        Panel(index=index, name=comparison.candidate_name, blocks=blocks(index, comparison))
        for index, comparison in enumerate(source.record.comparisons)
    )


def charts_of(sections: Iterable[Section]) -> Iterator[Chart]:
    """Yield every chart of some sections, in reading order."""
    for section in sections:
        for panel in section.panels:
            yield from _charts(panel.blocks)


def _charts(blocks: Iterable[Block]) -> Iterator[Chart]:
    for block in blocks:
        if isinstance(block, Chart):
            yield block
        elif isinstance(block, Pair):
            yield from _charts((*block.left, *block.right))
        elif isinstance(block, Fold | Grid):
            yield from _charts(block.blocks)
