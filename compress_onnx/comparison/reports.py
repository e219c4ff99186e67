"""Pages from folders: a run's report, a study's page, and their charts as files."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.comparison.run import RunResults
from compress_onnx.errors import OptionError, RecordError
from compress_onnx.files import write_text
from compress_onnx.records import RunRecord, SaliencyMaps
from compress_onnx.report import (
    Page,
    PreviousRun,
    ReportInput,
    StudyCell,
    build_study_view,
    build_view,
    charts_of,
    export_charts,
    render,
    render_page,
    sections_markdown,
)
from compress_onnx.store import (
    REPORT_FILE,
    RUN_FILE,
    SAMPLES_FILE,
    STUDY_FILE,
    load_pictures,
    load_run,
    load_saliency_maps,
    load_samples,
    load_study,
    run_file,
)

COLUMNS = frozenset(
    {
        "sample_id",
        "candidate",
        "label",
        "baseline_class",
        "candidate_class",
        "baseline_confidence",
        "candidate_confidence",
        "flip_kind",
        "saliency_deviation",
    }
)
WITHHELD = "Pictures and maps were left out of this file on request."


def write_report(run: Path, *, against: Path | None = None, images: bool = True) -> Path:
    """Render a run's report from its folder and return the page's path.

    Held ``against`` a previous run, the page is named after it and leaves the run's own page alone.

    Errors
    ------
    RecordError
        if the record of one of the runs is missing or broken.
    """
    source = report_input(run, against=against, images=images)
    name = f"report-against-{source.previous.record.run_id}.html" if source.previous else REPORT_FILE
    path = run_file(run).parent / name
    write_text(path, render(source))
    return path


def write_run_report(run: RunResults, folder: Path) -> Path:
    """Render the report of a run that was stored in ``folder`` and return the page's path."""
    path = folder / REPORT_FILE
    write_text(path, report_page(run))
    return path


def report_page(run: RunResults) -> str:
    """Return the page of a run's report; what a stored run does not hold in memory is read from its folder."""
    if run.folder is not None and not run.predictions:
        return render(dataclasses.replace(report_input(run.folder), record=run.record))
    source = ReportInput(
        record=run.record,
        samples={name: np.concatenate([part[name] for part in run.columns]) for name in run.columns[0]},
        pictures={sample: content for (sample, artifact), content in run.pictures.items() if not artifact},
        maps={key: content for key, content in run.pictures.items() if key[1]},
        mean_maps=run.saliency,
    )
    return render(source)


def report_input(run: Path, *, against: Path | None = None, images: bool = True) -> ReportInput:
    """Read what a run's report is made of."""
    record = load_run(run)
    folder = run_file(run).parent
    stored = load_pictures(folder) if images else {}
    return ReportInput(
        record=record,
        samples=_samples(folder),
        pictures={sample: content for (sample, artifact), content in stored.items() if not artifact},
        maps={key: content for key, content in stored.items() if key[1]},
        mean_maps=_mean_maps(record, folder) if images else {},
        previous=_previous(against),
        withheld="" if images else WITHHELD,
    )


def _mean_maps(record: RunRecord, folder: Path) -> dict[str, SaliencyMaps]:
    names = [comparison.candidate_name for comparison in record.comparisons]
    return {name: maps for name in names if (maps := load_saliency_maps(folder, name)) is not None}


def _previous(run: Path | None) -> PreviousRun | None:
    return PreviousRun(record=load_run(run), samples=_samples(run_file(run).parent)) if run else None


def _samples(folder: Path) -> dict[str, NDArray[Any]] | None:
    columns = load_samples(folder)
    missing = COLUMNS - columns.keys() if columns is not None else frozenset()
    if missing:
        raise RecordError(
            f"columns {', '.join(sorted(missing))}",
            "none of that name",
            where=folder / SAMPLES_FILE,
            remedy="Make the run again, or take the file away: the report then leaves out what needs it.",
        )
    return columns


def write_markdown(run: Path, path: Path, *, charts: Path | None = None, against: Path | None = None) -> None:
    """Write the tables of a run's report or a study's page as Markdown that shows the SVG files in ``charts``."""
    if is_study(run):
        sections = study_page(run).sections
    else:
        sections = build_view(report_input(run, against=against, images=False)).sections
    shown = Path(os.path.relpath(charts, path.parent)).as_posix() if charts else ""
    write_text(path, sections_markdown(sections, charts=shown))


def write_charts(run: Path, folder: Path, *, against: Path | None = None) -> tuple[Path, ...]:
    """Write every chart of a run's report as SVG into a folder and return the paths."""
    view = build_view(report_input(run, against=against, images=False))
    return export_charts(charts_of(view.sections), folder)


def is_study(folder: Path) -> bool:
    """Tell whether a folder holds the runs of a study rather than one run."""
    return folder.is_dir() and not (folder / RUN_FILE).exists() and bool(_cell_folders(folder))


def _cell_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))


def study_page(folder: Path) -> Page:
    """Return the page of a study's cells: those of its record, in its order, else all that the folder holds.

    Errors
    ------
    OptionError
        if there is no cell.
    RecordError
        if a record is broken.
    """
    summary = load_study(folder) if (folder / STUDY_FILE).exists() else None
    folders = [folder / cell.name for cell in summary.cells] if summary else _cell_folders(folder)
    if not folders:
        raise OptionError("a study's folder with at least one finished cell", "none", where=folder)
    return build_study_view(_study_cells(folders), failures=summary.failures if summary else ())


def _study_cells(folders: Iterable[Path]) -> tuple[StudyCell, ...]:
    return tuple(
        StudyCell(
            name=cell.name,
            record=load_run(cell),
            href=f"{cell.name}/{REPORT_FILE}" if (cell / REPORT_FILE).exists() else "",
        )
        for cell in folders
    )


def write_study_page(folder: Path) -> Path:
    """Render :func:`study_page` and return its path; errors are the same."""
    page = render_page(study_page(folder))
    path = folder / REPORT_FILE
    write_text(path, page)
    return path


def write_study_charts(folder: Path, into: Path) -> tuple[Path, ...]:
    """Write every chart of a study's page as SVG into a folder and return the paths."""
    return export_charts(charts_of(study_page(folder).sections), into)
