"""``compress-onnx gate``: a policy's rules on a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.options import Json
from compress_onnx.cli.terminal import put, say, show_table
from compress_onnx.errors import OptionError, OutputError

if TYPE_CHECKING:
    from compress_onnx.records import GateCheck, RunRecord, Verdict

Policy = Annotated[Path | None, typer.Option("--policy", help="Policy in TOML; gate --init FILE writes one.")]

SIGNS = {"pass": "✓ pass", "fail": "✗ fail", "inconclusive": "? inconclusive"}


def gate(
    run: Annotated[Path | None, typer.Argument(help="A run's folder or its run.json.")] = None,
    *,
    policy: Policy = None,
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
    if run is None or policy is None:
        raise OptionError("a run and --policy FILE, or --init FILE", "neither" if run is None else "no policy")
    from compress_onnx.store import load_run

    judge(run, load_run(run), policy, as_json=as_json)


def judge(run: Path, record: RunRecord, policy: Path, *, as_json: bool) -> None:
    """Decide, write the verdict, show it, and leave with the verdict's exit code."""
    from compress_onnx.gate.policy import load_policy
    from compress_onnx.study.judgement import judged_run

    verdict = judged_run(run, record, load_policy(policy))
    if as_json:
        from compress_onnx.store import as_json as record_json

        put(record_json(verdict))
    else:
        _show(verdict)
    raise typer.Exit({"pass": 0, "fail": 1, "inconclusive": 3}[verdict.outcome])


def _show(verdict: Verdict) -> None:
    columns = ("candidate", "rule", "observed", "outcome", "why")
    show_table(f"Verdict: {SIGNS[verdict.outcome]}", columns, [_row(check) for check in verdict.checks])


def _row(check: GateCheck) -> tuple[str, ...]:
    observed = "–" if check.observed is None else f"{check.observed:.4g}"
    needed = f" (about {check.samples_needed} samples would decide)" if check.samples_needed else ""
    return check.candidate, check.rule, observed, SIGNS[check.outcome], check.reason + needed


def _write_template(path: Path) -> None:
    from compress_onnx.files import write_text
    from compress_onnx.gate.policy import TEMPLATE

    if path.exists():
        raise OutputError("a new file", "one that exists", where=path, remedy="Choose another name.")
    write_text(path, TEMPLATE)
    say(f"Wrote {path}. Next: compress-onnx gate RUN --policy {path}")
