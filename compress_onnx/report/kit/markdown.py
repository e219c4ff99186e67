"""A page's sections as Markdown: tables, sentences and links to its charts, without pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compress_onnx.markdown import escaped, table
from compress_onnx.report.kit.cells import Note, Table
from compress_onnx.report.kit.chart import Chart
from compress_onnx.report.kit.section import Block, Command, Fact, Fold, Gallery, Grid, Listing, Pair, Section, Text


def sections_markdown(sections: Iterable[Section], *, charts: str = "") -> str:
    """Return sections of panels as Markdown; what has mark-up of its own, such as the flip browser, is left out.

    ``charts`` is the folder of their SVG files, relative to the text; without it no chart is shown.
    """
    parts = [part for section in sections if section.panels for part in _section(section, charts)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section, charts: str) -> Iterator[str]:
    yield f"## {escaped(section.title)}"
    for panel in section.panels:
        if panel.name:
            yield f"### {escaped(panel.name)}"
        yield from _blocks(panel.blocks, charts)


def _blocks(blocks: Iterable[Block], charts: str) -> Iterator[str]:
    for block in blocks:
        match block:
            case Table():
                yield from _table(block)
            case Chart():
                if charts and block.figure is not None:
                    yield f"![{escaped(block.title)}: {escaped(block.alt)}]({charts}/{block.key}.svg)"
            case Pair():
                yield from _blocks((*block.left, *block.right), charts)
            case Fold() | Grid():
                yield from _blocks(block.blocks, charts)
            case Gallery():
                continue
            case _:
                yield from _words(block)


def _table(block: Table) -> Iterator[str]:
    yield f"**{escaped(block.caption)}**"
    yield table(block.head, ([cell.line for cell in row] for row in block.rows))
    if block.note:
        yield escaped(block.note)


def _words(block: Note | Fact | Text | Listing | Command) -> Iterator[str]:
    match block:
        case Note():
            yield escaped(block.reason)
        case Fact():
            yield escaped(block.cell.line)
        case Text():
            yield escaped(block.text)
        case Listing():
            if block.title:
                yield f"**{escaped(block.title)}**"
            yield "\n".join(f"- {escaped(item)}" for item in block.items)
        case Command():
            yield f"    {block.text}"
