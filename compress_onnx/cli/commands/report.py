"""``compress-onnx report``: the page of a run or a study, made again from its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_onnx.cli.output import put, say
from compress_onnx.errors import OptionError


def report_command(
    run: Annotated[Path, typer.Argument(help="A run's folder or its run.json, or a study's folder.")],
    *,
    against: Annotated[
        Path | None, typer.Option(help="An older run: a page of its own shows what changed since.")
    ] = None,
    charts: Annotated[
        Path | None, typer.Option(help="Folder to write every chart to, as SVG (needs Chromium or Chrome).")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="File for the sections' tables as Markdown, with links to the --charts.")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Leave pictures and saliency maps out of the page.")
    ] = True,
) -> None:
    """Write a run's HTML report again, or the page that joins a study's cells.

    Example: compress-onnx report reports/20260102-150405-demo-lenet5-digits
    """
    from compress_onnx.compare import (
        is_study,
        write_charts,
        write_markdown,
        write_report,
        write_study_charts,
        write_study_page,
    )

    if is_study(run):
        if against is not None:
            raise OptionError("--against with a run", "a study", where=run, remedy="Name one of its cells.")
        put(str(write_study_page(run)))
    else:
        put(str(write_report(run, against=against, images=images)))
    if markdown is not None:
        write_markdown(run, markdown, charts=charts, against=against)
    if charts is not None:
        study = is_study(run)
        paths = write_study_charts(run, charts) if study else write_charts(run, charts, against=against)
        say(f"{len(paths)} charts in {charts}")
