"""``compress-onnx check``: compare and gate in one step, for a release pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_onnx.cli.arguments import Comparing, comparing
from compress_onnx.cli.commands.compare import compared
from compress_onnx.cli.output import Against, Lock, Renamed, Summary, judge, new_run, renamed, show_batches


@comparing(saliency="none", latency=False)
def check(
    baseline: Annotated[Path, typer.Argument(help="FP32 ONNX file.")],
    candidates: Annotated[list[Path], typer.Argument(help="Compressed ONNX files, from any tool.")],
    *,
    policy: Annotated[Path, typer.Option("--policy", help="Policy in TOML; gate --init FILE writes one.")],
    against: Against = None,
    candidate: Renamed = None,
    lock: Lock = None,
    summary: Summary = None,
    how: Comparing,
) -> None:
    """Compare, then decide by a policy: exit 0 pass, 1 fail, 3 inconclusive.

    Example: compress-onnx check lenet5.onnx lenet5-w8a8.onnx --data gtsrb --policy policy.toml
    """
    from compress_onnx.compare import Criteria, stored_run
    from compress_onnx.gate import load_policy

    criteria = Criteria(policy=load_policy(policy), against=against, lock=lock, renamed=renamed(candidate)).readable()
    options = how.options(baseline)
    run = new_run(how.out, f"check-{baseline.stem}")
    record = compared([baseline, *candidates], how.data, options, run)
    show_batches(record, as_json=how.as_json)
    raise typer.Exit(judge(stored_run(run.folder), criteria, summary=summary, as_json=how.as_json))
