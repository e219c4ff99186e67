"""``compress-onnx inspect``: what a file holds and what the runtime makes of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.artifacts import made
from compress_onnx.cli.options import Json
from compress_onnx.cli.terminal import put, show_table

if TYPE_CHECKING:
    from compress_onnx.graph import Weight
    from compress_onnx.records import ExecutionProfile, FusionReceipt


def inspect(
    model: Annotated[Path, typer.Argument(help="ONNX file, from any tool.")],
    *,
    profiled: Annotated[bool, typer.Option("--profile", help="Run it and show where the time of a call goes.")] = False,
    as_json: Json = False,
) -> None:
    """Show weights, sparsity and bit widths of an ONNX file, and which nodes run as integer kernels here.

    Example: compress-onnx inspect lenet5-w8a8.onnx
    """
    from compress_onnx.compress.footprint import describe
    from compress_onnx.graph import default_opset, load_model, weights
    from compress_onnx.runtime.explanation import batch_norms, explanation
    from compress_onnx.runtime.fusion import fusion_receipt
    from compress_onnx.study.timing import profile_file

    graph = load_model(model)
    found, receipt = weights(graph), fusion_receipt(model)
    why = explanation(graph, receipt)
    profile = profile_file(model) if profiled else None
    if as_json:
        artifact = describe(model, name=model.stem, shown_path=str(model))
        facts = {
            "artifact": dataclasses.asdict(artifact),
            "weights": [dataclasses.asdict(weight) for weight in found],
            "fusion": dataclasses.asdict(receipt),
            "batch_norms": batch_norms(graph),
            "why_not_faster": why,
            "profile": None if profile is None else dataclasses.asdict(profile),
        }
        put(json.dumps(facts, indent=1, allow_nan=False))
        return
    made(model, as_json=False)
    show_table("Weights", ("name", "operators", "shape", "bits", "zeros"), [_row(weight) for weight in found])
    put(f"Opset {default_opset(graph)}, {batch_norms(graph)} BatchNorm nodes in the file.")
    _show_receipt(receipt)
    if profile is not None:
        _show_profile(profile)
    for sentence in why:
        put(f"Why not faster: {sentence}")


def _row(weight: Weight) -> tuple[str, ...]:
    zeros = 1 - weight.nonzero / weight.elements if weight.elements else 0.0
    shape = "x".join(map(str, weight.shape))
    return weight.name, ", ".join(sorted(set(weight.ops))), shape, str(weight.bits), f"{zeros:.1%}"


def _show_receipt(receipt: FusionReceipt) -> None:
    put(
        f"On this CPU {receipt.int8_fraction:.0%} of the weighted nodes run as integer kernels "
        f"({receipt.quantised_nodes} integer kernels in all, {receipt.stray_qdq} Q/DQ nodes left over)."
    )
    if receipt.float_nodes:
        rows = [(node.name, node.op, node.reason) for node in receipt.float_nodes]
        show_table("Nodes in floating point", ("node", "operator", "reason"), rows)


def _show_profile(profile: ExecutionProfile) -> None:
    whole = sum(operator.ms for operator in profile.operators)
    rows = [(one.op, str(one.nodes), f"{one.ms:.4f}", f"{one.ms / whole:.0%}") for one in profile.operators]
    title = f"Where a call's time goes, one image on one thread, {profile.calls} calls under the runtime's profiler"
    show_table(title, ("operator", "nodes", "ms per call", "share"), rows)
