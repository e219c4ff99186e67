"""What the reader of a run should be wary of in each of its models."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from compress_onnx.comparison.models import EvaluatedModel
from compress_onnx.records import Artifact, Comparison, FusionReceipt, PredictionRun
from compress_onnx.report import batch_warnings


def with_warnings(
    models: Sequence[EvaluatedModel], comparisons: Sequence[Comparison], runs: Sequence[PredictionRun]
) -> tuple[Artifact, ...]:
    """Return the artifacts, each with what its reader should be wary of; baseline first."""
    fusions = [(), *(_fusion_warnings(m.artifact, c.fusion) for m, c in zip(models[1:], comparisons, strict=True))]
    return tuple(
        dataclasses.replace(
            evaluated.artifact,
            warnings=(
                *evaluated.artifact.warnings,
                *fusion,
                *_input_warnings(evaluated, models[0]),
                *batch_warnings(run.independence),
            ),
        )
        for evaluated, fusion, run in zip(models, fusions, runs, strict=True)
    )


def _input_warnings(evaluated: EvaluatedModel, baseline: EvaluatedModel) -> tuple[str, ...]:
    if evaluated.input_shape == baseline.input_shape:
        return ()
    shapes = [" x ".join(map(str, shape)) for shape in (evaluated.input_shape, baseline.input_shape)]
    return (f"It takes inputs of {shapes[0]}, the baseline of {shapes[1]}: the two are not timed together.",)


def _fusion_warnings(artifact: Artifact, fusion: FusionReceipt | None) -> tuple[str, ...]:
    if fusion is None or artifact.precision.is_float or fusion.int8_fraction == 1.0:
        return ()
    count = len(fusion.float_nodes)
    return (f"{count} of {count + fusion.quantized_nodes} weighted nodes run in floating point on this CPU.",)
