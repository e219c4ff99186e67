"""What every command that makes a run shares: its folder, its table and report."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from compress_onnx.cli.output.terminal import put, say, show_table
from compress_onnx.errors import OutputError

if TYPE_CHECKING:
    from compress_onnx.comparison import RunResults
    from compress_onnx.records import RunRecord

# Set when the program starts: a run records the words that made it, however the command was started.
command_words: ContextVar[tuple[str, ...]] = ContextVar("command_words", default=())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run about to be made: where it goes, when it began and the words that started it."""

    folder: Path
    started_at: datetime
    command: tuple[str, ...]


def new_run(out: Path | None, name: str) -> Run:
    """Return a run whose folder can be made and written; the folder comes with the first result.

    Errors
    ------
    OutputError
        if it cannot.
    """
    started = datetime.now().astimezone()
    folder = out or Path("reports") / f"{started:%Y%m%d-%H%M%S}-{name}"
    try:
        _try_to_write(folder)
    except OSError as error:
        raise OutputError(
            "a folder that can be written",
            error.strerror or str(error),
            where=folder,
            remedy="Choose another one with --out.",
        ) from error
    return Run(folder=folder, started_at=started, command=("compress-onnx", *command_words.get()))


def _try_to_write(folder: Path) -> None:
    """Make the folder and a file in it, then take away what was made: a failed command leaves nothing."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    finally:
        # Another command may have begun to fill it meanwhile.
        for path in made:
            with contextlib.suppress(OSError):
                path.rmdir()


def finish(run: RunResults, folder: Path, *, as_json: bool) -> None:
    """Write the report, then print the record as JSON, or the table and the report's path."""
    from compress_onnx.comparison import write_run_report
    from compress_onnx.store import as_json as record_json

    page, record = write_run_report(run, folder), run.record
    if as_json:
        put(record_json(record))
    else:
        show_summary(record)
    show_batches(record, as_json=as_json)
    say(f"Report: {page}")
    say(f"Again:  {shlex.join(record.command)}")


def show_batches(record: RunRecord, *, as_json: bool) -> None:
    """Print which models answer an image by the other images of a call; on stderr where stdout is for JSON."""
    from compress_onnx.report import batch_sentences

    tell = say if as_json else put
    for sentence in batch_sentences(record):
        tell(f"Warning: {sentence}")


def show_summary(record: RunRecord) -> None:
    """Print one row per candidate."""
    from compress_onnx.report import summary_rows

    summary = summary_rows(record)
    rows = [
        (
            row.candidate,
            f"{row.accuracy}\n{row.accuracy_change}",
            row.flips,
            row.worst_class,
            row.saliency,
            f"{row.p50}\n{row.speedup}",
            f"{row.file_size}\n{row.zipped_size} zipped",
        )
        for row in summary
    ]
    data = f"{record.dataset.name} ({record.dataset.split}, {record.dataset.n} images)"
    cpu = f"{record.environment.cpu_model}, {record.environment.cpu_target}"
    title = f"{data}, baseline accuracy {summary[0].accuracy_baseline}; changes with 95 % intervals; on {cpu}"
    show_table(title, ("candidate", "accuracy", "flips", "worst class", "saliency", "latency", "size"), rows)
    _show_other_cpu(record)


def _show_other_cpu(record: RunRecord) -> None:
    from compress_onnx.report import cross_cpu_table

    baseline = record.artifacts[0].name if record.artifacts else "baseline"
    table = cross_cpu_table(record.comparisons, baseline)
    if table is not None:
        rows = [["\n".join(filter(None, (cell.text, cell.detail, cell.word))) for cell in row] for row in table.rows]
        show_table(table.caption, [head[:1].lower() + head[1:] for head in table.head], rows)
        if table.note:
            put(table.note)
