"""``compress-onnx gate``: a policy's rules, an earlier run and locked images against a finished run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import Json, JudgingFlags, OptionalPolicy, Summary, option_groups
from compress_onnx.cli.exit_codes import DONE
from compress_onnx.cli.output import judge, put, say, show_table
from compress_onnx.errors import OptionError, OutputError

if TYPE_CHECKING:
    from compress_onnx.compare import RunResults
    from compress_onnx.records import Measure, RunRecord


@option_groups()
def gate_command(
    run: Annotated[Path | None, typer.Argument(help="A run's folder or its run.json.")] = None,
    *,
    policy: OptionalPolicy = None,
    judging: JudgingFlags,
    write_lock: Annotated[
        Path | None,
        typer.Option("--write-lock", help="Add to this flips.lock what --against lost and this run wins."),
    ] = None,
    lock_sample: Annotated[
        list[str] | None, typer.Option("--lock-sample", help="A sample's id, to be locked by --write-lock too.")
    ] = None,
    summary: Summary = None,
    listing: Annotated[bool, typer.Option("--list", help="List the names that rules may use.")] = False,
    init: Annotated[
        Path | None, typer.Option("--init", help="Write a commented policy with the usual limits here.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide whether a run's candidates may ship: exit 0 pass, 1 fail, 3 inconclusive.

    The verdict goes into the run's record and report, and into junit.xml beside them.

    Example: compress-onnx gate reports/20260102-150405-compare-lenet5 --policy policy.toml
    """
    if init is not None:
        _write_template(init)
        return
    decides = any(term is not None for term in (policy, judging.against, judging.lock))
    if run is None or not (decides or listing or write_lock is not None):
        raise OptionError(
            "a run and --policy FILE, --against RUN, --lock FILE or --list; or --init FILE",
            "neither" if run is None else "only the run",
        )
    from compress_onnx.compare import stored_run

    criteria = judging.criteria(policy)
    finished = stored_run(run)
    if listing:
        _show_names(finished.record, as_json=as_json)
        return
    code = DONE
    if decides:
        code = judge(finished, criteria, summary=summary, as_json=as_json)
    if write_lock is not None:
        _extend(write_lock, finished, judging.against, lock_sample or [])
    raise typer.Exit(code)


def _extend(lock: Path, run: RunResults, against: Path | None, samples: Sequence[str]) -> None:
    from compress_onnx.compare import extend_lock

    held, new = extend_lock(lock, run, against=against, samples=samples)
    say(f"{lock} holds {held} images, {new} of them new. Next: compress-onnx gate RUN --lock {lock}")


def _show_names(record: RunRecord, *, as_json: bool) -> None:
    """Print every measure of every candidate with its name."""
    from compress_onnx.gate import measures

    by_candidate = {comparison.candidate_name: measures(comparison) for comparison in record.comparisons}
    if as_json:
        import json

        plain = {
            name: {key: dataclasses.asdict(one) for key, one in named.items()} for name, named in by_candidate.items()
        }
        put(json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False))
        return
    for name, named in by_candidate.items():
        rows = [_named_row(key, measure) for key, measure in named.items()]
        show_table(f"Measures of {name}", ("name", "value", "interval", "unit", "better", "n"), rows)


def _named_row(name: str, measure: Measure) -> tuple[str, ...]:
    interval = measure.interval
    shown = f"[{interval.low:.4g}, {interval.high:.4g}]" if interval else "–"
    value = measure.undefined_reason or "–" if measure.value is None else f"{measure.value:.4g}"
    return name, value, shown, measure.unit, measure.better.value, f"{measure.n:,}"


def _write_template(path: Path) -> None:
    from compress_onnx.files import write_text
    from compress_onnx.gate import TEMPLATE

    if path.exists():
        raise OutputError("a new file", "one that exists", where=path, remedy="Choose another name.")
    write_text(path, TEMPLATE)
    say(f"Wrote {path}. Next: compress-onnx gate RUN --policy {path}")
