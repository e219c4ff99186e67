"""A study's page: claims, small multiples and every candidate, from the cells' records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from compress_onnx.records import CellFailure
from compress_onnx.report.kit import (
    Block,
    Cell,
    Grid,
    Listing,
    Note,
    Page,
    Panel,
    Section,
    Table,
    Text,
    Tone,
    keyed,
    words,
)
from compress_onnx.report.pages.study.cases import Case, StudyCell, cases
from compress_onnx.report.pages.study.charts import MULTIPLES, Multiple, scale_of, small_chart
from compress_onnx.report.pages.study.claims import Agreement, Finding, Judged, judged
from compress_onnx.report.pages.summary import CandidateRow, candidate_rows

TONES = {Agreement.AGREES: Tone.GOOD, Agreement.DIFFERS: Tone.BAD, Agreement.OPEN: Tone.ABSENT}
MARKS = {Agreement.AGREES: "\u2714", Agreement.DIFFERS: "\u2260", Agreement.OPEN: "?"}
SOURCE = "Schwaiger, Schwienbacher and Roscher, SafeAI 2022"
BOTH_WAYS = ("Published", "Made as published", "Agreement", "Improved", "Agreement", "Over")
ONE_WAY = ("Published", "Measured here", "Agreement", "Over")
IMPROVED = (
    "Improved: sparsity judged before BatchNorm is folded, repair on unlabeled images, 4-bit weights by GPTQ. "
    "W8A8 counts on both sides."
)
JPEG = "CIFAR-10 here may be a JPEG copy: its accuracies are then not comparable with published ones."
GUIDES = {
    "accuracy": ("every interval holds zero.", "orange marks far left: these recipes cost accuracy on that network."),
    "flips": ("marks near zero.", "marks far right: accuracy may stand while the answers change."),
    "speed": ("marks right of the dotted line.", "marks left of it: the compressed file is slower than the original."),
}


def build_study_view(cells: Sequence[StudyCell], *, failures: Sequence[CellFailure] = ()) -> Page:
    """Return the page that joins a study's cells and names those that failed."""
    candidates = cases(cells)
    networks = list(dict.fromkeys(cell.network for cell in cells))
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    return Page(
        title=f"Study of {_counted(len(cells), 'cell')}",
        subtitle=f"{_counted(len(candidates), 'candidate')} of {', '.join(networks)} on {', '.join(datasets)}",
        sections=(
            *_failures(failures),
            _claims(candidates),
            *_multiples(candidates, networks, datasets),
            _cells(cells),
        ),
    )


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _failures(failures: Sequence[CellFailure]) -> tuple[Section, ...]:
    if not failures:
        return ()
    items = tuple(f"\u2068{failure.name}\u2069: {failure.reason}" for failure in failures)
    section = Section(
        key="failures",
        title="Cells that did not finish",
        good="this section is not there.",
        bad="a cell is missing below: the study started again goes on with it.",
        panels=(Panel(blocks=(Listing(items=items),)),),
    )
    return (section,)


def _claims(candidates: Sequence[Case]) -> Section:
    judgments = judged(candidates)
    both = judgments[0].improved is not None
    table = Table(
        caption=f"Published ({SOURCE}) against measured here",
        head=BOTH_WAYS if both else ONE_WAY,
        rows=tuple(map(_claim_row, judgments)),
        note=IMPROVED if both else "",
    )
    jpeg = (Text(text=JPEG),) if any(case.cell.dataset.startswith("cifar") for case in candidates) else ()
    return Section(
        key="claims",
        title="Published claims",
        good="a claim agrees, or differs in favor of the candidates.",
        bad="a claim that cannot be told: the study holds no candidate that could.",
        panels=(Panel(blocks=(table, *jpeg)),),
    )


def _claim_row(judgment: Judged) -> tuple[Cell, ...]:
    improved = _measured(judgment.improved) if judgment.improved else ()
    return (words(judgment.published.claim), *_measured(judgment.published), *improved, words(judgment.published.scope))


def _measured(finding: Finding) -> tuple[Cell, Cell]:
    agreement = Cell(
        text=str(finding.agreement), tone=TONES[finding.agreement], kind="outcome", mark=MARKS[finding.agreement]
    )
    return words(finding.measured), agreement


def _multiples(candidates: Sequence[Case], networks: list[str], datasets: list[str]) -> tuple[Section, ...]:
    sections = []
    for multiple in MULTIPLES:
        scale = scale_of(multiple, candidates)
        if scale is None:
            continue
        blocks = tuple(
            _small(multiple, candidates, (network, data), scale) for data in datasets for network in networks
        )
        sections.append(
            Section(
                key=f"multiples-{multiple.key}",
                title=f"{multiple.title}, network by data set",
                good=GUIDES[multiple.key][0],
                bad=GUIDES[multiple.key][1],
                panels=(Panel(blocks=(Grid(columns=len(networks), blocks=blocks),)),),
            )
        )
    return tuple(sections)


def _small(multiple: Multiple, candidates: Sequence[Case], place: tuple[str, str], scale: tuple[float, float]) -> Block:
    shown = [case for case in candidates if (case.cell.network, case.cell.dataset) == place]
    title = f"{place[0]} on {place[1]}"
    if not any((m := multiple.read(case)) is not None and m.value is not None for case in shown):
        return Note(reason=f"{title}: not measured.")
    return keyed(f"{multiple.key}-{place[0]}-{place[1]}", small_chart(multiple, title, shown, scale))


def _cells(cells: Sequence[StudyCell]) -> Section:
    rows = tuple(_candidate_row(cell, row) for cell in cells for row in candidate_rows(cell.record))
    head = ("Cell", "Candidate", "Accuracy change", "Flips", "Worst class", "Saliency shift", "Speed-up", "File")
    table = Table(caption="Every candidate; a cell's name opens its own report", head=head, rows=rows)
    return Section(
        key="cells",
        title="All candidates",
        good="no clear loss, few flips, and a gain of size or speed.",
        bad="a clear loss that buys neither size nor speed.",
        panels=(Panel(blocks=(table if rows else Note(reason="No cell compared a candidate."),)),),
    )


def _candidate_row(cell: StudyCell, row: CandidateRow) -> tuple[Cell, ...]:
    named = f"{row.worst_class_name}: {row.worst_class.text}" if row.worst_class_name else row.worst_class.text
    return (
        Cell(text=cell.name, kind="text", href=cell.href),
        words(row.name),
        row.accuracy_change,
        row.flips,
        dataclasses.replace(row.worst_class, text=named, kind="text"),
        row.saliency,
        row.speedup,
        row.file_size,
    )
