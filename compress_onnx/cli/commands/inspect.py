"""``compress-onnx inspect``: what a file holds and what the runtime makes of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_onnx.cli.arguments import Json, PreprocessingFlags, Seed, flag, option_groups
from compress_onnx.cli.output import kilobytes, put, show_artifact, show_table
from compress_onnx.options import AUDIT_SIZE, SEED

if TYPE_CHECKING:
    from compress_onnx.model import Weight
    from compress_onnx.records import (
        ExecutionProfile,
        Footprint,
        FusionReceipt,
        Measure,
        NodeSaturation,
        SaturationAudit,
    )
    from compress_onnx.steps import Inspection


@option_groups()
def inspect_command(
    model: Annotated[Path, typer.Argument(help="ONNX file, from any tool.")],
    *,
    data: Annotated[
        str, typer.Option("--data", help="Images on which to count int16 overflows, such as gtsrb:train.")
    ] = "",
    images: Annotated[int, flag(AUDIT_SIZE)] = AUDIT_SIZE.default,
    seed: Seed = SEED.default,
    preprocessing: PreprocessingFlags,
    profiled: Annotated[bool, typer.Option("--profile", help="Run it and show where the time of a call goes.")] = False,
    as_json: Json = False,
) -> None:
    """Show what an ONNX file holds, weighs and becomes: weights, bytes, integer kernels, and overflow without VNNI.

    Example: compress-onnx inspect lenet5-w8a8.onnx --data gtsrb:train
    """
    from compress_onnx.api import inspect
    from compress_onnx.model import Model

    read = Model.of(model)
    inspection = inspect(
        read,
        data or None,
        images=images,
        seed=seed,
        profile=profiled,
        preprocessing=preprocessing.of(model),
    )
    files = [str(file) for file in read.whole.files]
    if as_json:
        put(json.dumps(_facts(inspection, files), indent=1, allow_nan=False))
    else:
        _show(inspection, files)


def _facts(inspection: Inspection, files: Sequence[str]) -> dict[str, Any]:
    """Return all that is said of a file as plain data."""
    plain = dataclasses.asdict(inspection)
    return {"artifact": plain.pop("artifact"), "files": list(files), **plain}


def _show(inspection: Inspection, files: Sequence[str]) -> None:
    """Print all that is said of a file for people."""
    show_artifact(inspection.artifact, files[0])
    rows = [_row(weight) for weight in inspection.weights]
    show_table("Weights", ("name", "operators", "shape", "bits", "zeros"), rows)
    put(f"Opset {inspection.artifact.opset}, {inspection.batch_norms} BatchNorm nodes in the file.")
    _show_receipt(inspection.fusion)
    if inspection.profile is not None:
        _show_profile(inspection.profile)
    for sentence in inspection.why_not_faster:
        put(f"Why not faster: {sentence}")
    _show_footprint(inspection.footprint, files=len(files))
    _show_audit(inspection.saturation)


def _row(weight: Weight) -> tuple[str, ...]:
    zeros = 1 - weight.nonzero / weight.elements if weight.elements else 0.0
    shape = "x".join(map(str, weight.shape))
    name = f"{weight.name}\n(in {weight.place})" if weight.place else weight.name
    return name, ", ".join(sorted(set(weight.ops))), shape, str(weight.bits), f"{zeros:.1%}"


def _show_receipt(receipt: FusionReceipt) -> None:
    put(
        f"On this CPU {receipt.int8_fraction:.0%} of the weighted nodes run as integer kernels "
        f"({receipt.quantized_nodes} integer kernels in all, {receipt.stray_qdq} Q/DQ nodes left over)."
    )
    if receipt.float_nodes:
        rows = [(node.name, node.op, node.reason) for node in receipt.float_nodes]
        show_table("Nodes in floating point", ("node", "operator", "reason"), rows)


def _show_profile(profile: ExecutionProfile) -> None:
    whole = sum(operator.ms for operator in profile.operators)
    rows = [(one.op, str(one.nodes), f"{one.ms:.4f}", f"{one.ms / whole:.0%}") for one in profile.operators]
    title = f"Where a call's time goes, one image on one thread, {profile.calls} calls under the runtime's profiler"
    show_table(title, ("operator", "nodes", "ms per call", "share"), rows)


def _show_footprint(footprint: Footprint, *, files: int) -> None:
    stored = ", ".join(f"{kind} {kilobytes(number)}" for kind, number in footprint.initializer_bytes.items())
    coded = " and ".join(
        f"{kilobytes(number)} {name}"
        for number, name in ((footprint.zip_bytes, "zipped"), (footprint.zstd_bytes, "by zstd"))
        if number is not None
    )
    place = "the file" if files == 1 else f"{files} files, which belong together"
    put(f"{kilobytes(footprint.file_bytes)} in {place} ({stored}), {coded}.")
    if footprint.entropy_bytes is not None:
        put(
            f"Entropy of the weights: {kilobytes(footprint.entropy_bytes)}, what a perfect coder needs that ignores order and knows their histogram."
        )
    resident = footprint.resident
    if resident is not None and resident.value is not None:
        put(f"Loading it makes a fresh process grow by {kilobytes(int(resident.value))}.")


def _show_audit(audit: SaturationAudit) -> None:
    if audit.nodes:
        head = ("node", "operator", "types", "channels", "can overflow", "did overflow", "outputs", "images")
        show_table("Overflow of int16 on a CPU without VNNI", head, [_audit_row(node) for node in audit.nodes])
    put(f"Reduced range needed without VNNI (quantize --cpu x86-64-avx2): {audit.reduced_range}; {audit.reason}.")


def _audit_row(node: NodeSaturation) -> tuple[str, ...]:
    at_risk = str(node.channels_at_risk) if node.adds_pairs else "no: it adds exactly"
    seen = "–" if node.channels_overflowing is None else str(node.channels_overflowing)
    shares = (_share(node.outputs_overflowing), _share(node.images_overflowing))
    return node.name, node.op, node.types, str(node.channels), at_risk, seen, *shares


def _share(measure: Measure | None) -> str:
    if measure is None or measure.value is None:
        return "–"
    return "< 0.01%" if 0 < measure.value < 1e-4 else f"{measure.value:.2%}"
