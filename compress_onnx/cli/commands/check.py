"""``compress-onnx check``: compare and gate in one step, for a release pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compress_onnx.cli.arguments import ComparisonFlags, JudgingFlags, Policy, Summary, option_groups
from compress_onnx.cli.commands.compare import stored_comparison
from compress_onnx.cli.output import judge, new_run, show_batches


# A policy seldom asks for what takes longest: saliency and latency are measured where they are asked for.
@option_groups(saliency="none", latency=False)
def check_command(
    baseline: Annotated[Path, typer.Argument(help="FP32 ONNX file.")],
    candidates: Annotated[list[Path], typer.Argument(help="Compressed ONNX files, from any tool.")],
    *,
    policy: Policy,
    judging: JudgingFlags,
    summary: Summary = None,
    comparison: ComparisonFlags,
) -> None:
    """Compare, then decide by a policy: exit 0 pass, 1 fail, 3 inconclusive.

    Example: compress-onnx check lenet5.onnx lenet5-w8a8.onnx --data gtsrb --policy policy.toml
    """
    criteria = judging.criteria(policy).readable()
    options = comparison.options(baseline)
    run = new_run(comparison.out, f"check-{baseline.stem}")
    results = stored_comparison([baseline, *candidates], comparison.data, options, run)
    show_batches(results.record, as_json=comparison.as_json)
    raise typer.Exit(judge(results, criteria, summary=summary, as_json=comparison.as_json))
