"""A comparison to be made, and the record of one that was."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from compress_onnx.comparison.calibration import calibration_info
from compress_onnx.comparison.models import EvaluatedModel, NamedModel
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.data import CalibrationManifest, ImageSet
from compress_onnx.records import (
    SCHEMA_VERSION,
    Artifact,
    Comparison,
    DatasetInfo,
    FusionReceipt,
    PredictionRun,
    RunRecord,
)
from compress_onnx.report import batch_warnings
from compress_onnx.runtime import environment


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """A comparison to be made: ``models`` baseline first; :func:`compare_models` writes its results into ``folder``.

    ``started_at`` is the local time; ``command`` the words that reproduce the run; ``manifests`` name
    the images that calibrated the candidates, none of which may be evaluated; by default those at hand.
    """

    models: Sequence[NamedModel]
    images: ImageSet
    options: CompareOptions
    command: tuple[str, ...]
    started_at: datetime
    folder: Path | None = None
    manifests: Sequence[CalibrationManifest] | None = None


def run_record(
    job: Job,
    models: Sequence[EvaluatedModel],
    comparisons: tuple[Comparison, ...],
    *,
    runs: tuple[PredictionRun, ...],
    dataset: DatasetInfo,
) -> RunRecord:
    """Return the record of a job's comparisons; baseline first in ``models``."""
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id=f"{job.started_at:%Y%m%d-%H%M%S}-{models[0].name}",
        started_at=job.started_at.isoformat(timespec="seconds"),
        command=job.command,
        config=job.options.recorded(),
        environment=environment(),
        dataset=dataset,
        preprocessing=models[0].preprocessing,
        calibration=calibration_info(job.manifests[0]) if job.manifests else None,
        artifacts=with_warnings(models, comparisons, runs),
        comparisons=comparisons,
        verdict=None,
        predicted=runs,
    )


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
