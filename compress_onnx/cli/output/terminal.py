"""What goes to the terminal: results on stdout, messages and progress on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from compress_onnx.options import Progress, Stages, silent


def say(message: str) -> None:
    """Write a message for people to stderr."""
    sys.stderr.write(message + "\n")


def put(result: str) -> None:
    """Write a result to stdout."""
    sys.stdout.write(result + "\n")


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout; the first column is aligned left, the others right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False)
    # Piped output has no width of its own: wide enough for every table here.
    width = console.width if console.is_terminal else max(console.width, 160)
    table = Table(
        title=Text(title) if title else None,
        title_justify="left",
        show_lines=any("\n" in cell for row in rows for cell in row),
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(width=width).print(table)


@contextlib.contextmanager
def progress_bars() -> Iterator[Stages]:
    """Yield a function that opens one progress bar per stage, on stderr.

    Where stderr is no terminal, each stage is one line when it starts.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _announced
        return
    columns = (
        TextColumn("{task.fields[stage]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        yield lambda stage: _bar(bars, stage)


def _announced(stage: str) -> Progress:
    say(f"{stage} ...")
    return silent


def _bar(bars: object, stage: str) -> Progress:
    from rich.progress import Progress as Bars

    if not isinstance(bars, Bars):
        message = "progress bars come from progress_bars()"
        raise TypeError(message)
    task = bars.add_task("", total=1.0, stage=stage)

    def update(fraction: float, description: str) -> None:
        bars.update(task, completed=fraction, description=description)

    return update
