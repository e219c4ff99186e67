"""Repair as a step of a recipe: the repaired model carries what the repair gained."""

from __future__ import annotations

import onnx

from compress_onnx.compress.repair.reference import Reference
from compress_onnx.compress.repair.statistics import repaired_towards
from compress_onnx.model import descended
from compress_onnx.options import Progress, silent
from compress_onnx.records import OptionValue


def repair_model(
    reference: Reference,
    candidate: onnx.ModelProto,
    *,
    calibration: str | None = None,
    progress: Progress = silent,
) -> onnx.ModelProto:
    """Return a repaired copy of ``candidate`` whose recipe says what the repair gained.

    ``calibration`` is the hash of the manifest that names the images. See :func:`repaired_towards`.

    Errors
    ------
    ModelError
        as :func:`repaired_towards`.
    """
    outcome = repaired_towards(reference, candidate, progress=progress)
    gained: dict[str, OptionValue] = {
        "reconstructed": outcome.reconstructed,
        "strength": outcome.strength,
        "kl_before": outcome.kl_before,
        "kl_after": outcome.kl_after,
        "flips_before": outcome.flips_before,
        "flips_after": outcome.flips_after,
        "n": outcome.n,
        "calibration": calibration,
    }
    return descended(outcome.model, candidate, "repair", gained)
