"""Repair a compressed model without labels: let what it kept do what the baseline did.

First the weights that pruning kept are moved to where each layer's outputs are nearest to the
baseline's (layer-wise reconstruction, see :mod:`compress_onnx.compress.repair.reconstruction`). Then
BatchNorms are re-estimated; other layers' channels get the baseline's mean and standard deviation
(REPAIR, Jordan et al. 2022; DFQ, Nagel et al. 2019), the weight rows by a factor and the bias by a
shift, so zeros stay zero.

The whole repair can hurt a model that is hardly damaged, since matching the spread also amplifies
the part of a channel that no longer follows the baseline. So a quarter of the images measures
nothing and judges: of the candidate as it is and of five strengths that with the smallest
divergence from the baseline's probabilities is taken.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.repair.channel_fit import Fit, fit
from compress_onnx.compress.repair.reconstruction import reconstructed
from compress_onnx.compress.repair.reference import Batches, Reference, judged_outputs, referenced
from compress_onnx.metrics import kullback_leibler_of, log_probabilities, output_kinds, predicted
from compress_onnx.model import descended, normalized
from compress_onnx.options import Progress, silent
from compress_onnx.records import OptionValue

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepairOutcome:
    """A repaired model and what the repair gained on ``n`` calibration images that it did not measure.

    ``kl_*`` is the mean Kullback-Leibler divergence of the baseline's probabilities from the
    model's in nats, ``flips_*`` the fraction of changed predictions, before and after.
    ``reconstructed`` tells whether kept weights were moved; ``strength`` 0 means that channels were
    left as they are. ``ratios`` holds, by weight name, the factor (C_out,) float32 of every output
    channel; weights that were not scaled are absent.
    """

    model: onnx.ModelProto
    reconstructed: bool
    ratios: Mapping[str, NDArray[np.float32]]
    strength: float
    kl_before: float
    kl_after: float
    flips_before: float
    flips_after: float
    n: int


def repaired(
    baseline: onnx.ModelProto, candidate: onnx.ModelProto, batches: Batches, *, progress: Progress = silent
) -> RepairOutcome:
    """Return a copy of ``candidate`` with channel statistics like the baseline's, as far as that helps.

    As :func:`repaired_towards`, for a single candidate whose weights stay what they are but for a
    factor per channel. ``batches`` gives images (B, C, H, W) float32 without labels, and is asked once.

    Errors
    ------
    ModelError, DataError
        as :func:`repaired_towards` and :func:`~compress_onnx.compress.repair.reference.referenced`.
    """
    with referenced(baseline, batches) as reference:
        return repaired_towards(reference, candidate, reconstructs=False, progress=progress)


def repaired_towards(
    reference: Reference, candidate: onnx.ModelProto, *, reconstructs: bool = True, progress: Progress = silent
) -> RepairOutcome:
    """Return a copy of ``candidate`` repaired as far as that helps on images the repair did not measure.

    ``candidate`` is a pruned or fake-quantized copy of the reference's model, with the same tensor
    names; if it ``reconstructs``, kept weights of pruned layers move. Memory is bounded by
    :data:`~compress_onnx.compress.repair.channel_fit.LARGEST_TENSOR_BYTES`, whatever the number of images, and the second moments of the
    layers' inputs.

    Errors
    ------
    ModelError
        if a layer of the candidate is missing in the baseline, or a model does not run on batches.
    """
    candidate = normalized(candidate)
    moved = reconstructed(reference.model, candidate, reference.inputs) if reconstructs else None
    made = fit(reference, candidate if moved is None else moved, progress=_part(progress, 0.0, 0.75))
    return _judged(reference, candidate, made, progress=_part(progress, 0.75, 1.0))


def _judged(reference: Reference, candidate: onnx.ModelProto, made: Fit, *, progress: Progress) -> RepairOutcome:
    scores: dict[float, tuple[float, float]] = {}
    before = _score(reference, candidate)
    for number, strength in enumerate(STRENGTHS, start=1):
        untouched = strength == 0 and made.candidate is candidate
        scores[strength] = before if untouched else _score(reference, made.at(strength))
        progress(number / len(STRENGTHS), "repair: judging its strength")
    # Among equals the weakest: a model that lost nothing stays as it is.
    best = min(STRENGTHS, key=lambda strength: (scores[strength][0], strength))
    helps = scores[best][0] < before[0]
    kl, flips = scores[best] if helps else before
    return RepairOutcome(
        model=made.at(best) if helps else candidate,
        reconstructed=helps and made.candidate is not candidate,
        ratios=made.ratios(best if helps else 0.0),
        strength=best if helps else 0.0,
        kl_before=before[0],
        kl_after=kl,
        flips_before=before[1],
        flips_after=flips,
        n=len(reference.outputs),
    )


def _score(reference: Reference, model: onnx.ModelProto) -> tuple[float, float]:
    """Return the mean divergence in nats and the fraction of flips; an overflowed model is infinitely far."""
    baseline, given = reference.outputs, judged_outputs(model, reference.pool)
    flips = float(np.mean(predicted(baseline) != predicted(given)))
    if not np.isfinite(given).all():
        return float("inf"), flips
    kinds = output_kinds(baseline, given)
    divergence = kullback_leibler_of(log_probabilities(baseline, kinds[0]), log_probabilities(given, kinds[1]))
    return float(divergence.mean()), flips


def _part(progress: Progress, low: float, high: float) -> Progress:
    return lambda fraction, text: progress(low + (high - low) * fraction, text)


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
