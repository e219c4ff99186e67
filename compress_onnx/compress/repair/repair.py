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
from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.calibration import ImagePool, Moments
from compress_onnx.compress.layers import Repairable, RepairableLayer, channels, repairable_nodes, stored
from compress_onnx.compress.repair.channel_statistics import activation_bytes, renormalized_moments
from compress_onnx.compress.repair.corrections import Correction, corrected, correction, layers
from compress_onnx.compress.repair.reconstruction import reconstructed
from compress_onnx.compress.repair.reference import Batches, Reference, judged_outputs, referenced
from compress_onnx.errors import ModelError
from compress_onnx.metrics import kullback_leibler_of, log_probabilities, output_kinds, predicted
from compress_onnx.model import descended, normalized
from compress_onnx.options import Progress, silent
from compress_onnx.records import OptionValue

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# A site's tensor at most this large, with about four of its size alive beside it at a time.
LARGEST_TENSOR_BYTES = 64 * 2**20


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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """The whole repair of a candidate: moments by tensor, corrections and weight names by layer output."""

    candidate: onnx.ModelProto
    found: Mapping[str, Moments]
    corrections: Mapping[str, Correction]
    weight_of: Mapping[str, str]

    def at(self, strength: float) -> onnx.ModelProto:
        """Return the candidate repaired by ``strength``."""
        return corrected(self.candidate, self.found, self.corrections, strength=strength)

    def ratios(self, strength: float) -> dict[str, NDArray[np.float32]]:
        """Return the factors of output channels by weight name."""
        return {
            self.weight_of[output]: made.at(strength).factor.astype(np.float32)
            for output, made in self.corrections.items()
        }


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
    :data:`LARGEST_TENSOR_BYTES`, whatever the number of images, and the second moments of the
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


def fit(reference: Reference, candidate: onnx.ModelProto, *, progress: Progress = silent) -> Fit:
    """Return the whole repair of the channels, from the pool's measuring images: one pass of each model."""
    sites, pool = repairable_nodes(candidate), reference.pool
    wanted = _in_baseline(reference.model, candidate, layers(sites))
    size = batch_size(candidate, sites, pool)
    seen = _counter(pool.size(judging=False) * (2 if wanted else 1), progress)
    # Where every layer has its BatchNorm, nothing of the baseline is needed.
    targets = reference.layers(wanted, size, seen=seen) if wanted else {}
    found = renormalized_moments(candidate, sites, pool.batches(size, judging=False), targets=targets, seen=seen)
    return Fit(
        candidate=candidate,
        found=found,
        corrections={site.key: correction(targets[site.key], found[site.key]) for site in wanted},
        weight_of={site.key: site.weight for site in layers(sites)},
    )


def batch_size(model: onnx.ModelProto, sites: tuple[Repairable, ...], pool: ImagePool) -> int:
    """Return how many images measure at once: as many as keep a site's tensor within bounds."""
    return max(2, LARGEST_TENSOR_BYTES // activation_bytes(model, sites, pool.first))


def _in_baseline(
    baseline: onnx.ModelProto, candidate: onnx.ModelProto, wanted: list[RepairableLayer]
) -> list[RepairableLayer]:
    known = {site.key: site for site in layers(repairable_nodes(baseline))}
    missing = [site.key for site in wanted if site.key not in known]
    if missing:
        raise ModelError(
            "a candidate with the baseline's layers",
            f"the layer output {missing[0]!r}, which the baseline lacks",
            where="repair",
            remedy="Repair a compressed copy of the same file, folded if the other is folded.",
        )
    _expect_same_channels(baseline, candidate, wanted)
    return [known[site.key] for site in wanted]


def _expect_same_channels(baseline: onnx.ModelProto, candidate: onnx.ModelProto, wanted: list[RepairableLayer]) -> None:
    """Raise where structured pruning took channels whose statistics the baseline would give."""
    before, after = stored(baseline), stored(candidate)
    for site in wanted:
        if site.weight in before:
            had, has = channels(site.node, before[site.weight]), channels(site.node, after[site.weight])
            if had != has:
                raise ModelError(
                    "a candidate whose layers without BatchNorm have all their channels",
                    f"{has} of {had} in {site.weight!r}",
                    where="repair",
                    remedy="Leave the repair out after structured pruning of such a network.",
                )


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
    wanted, given = reference.outputs, judged_outputs(model, reference.pool)
    flips = float(np.mean(predicted(wanted) != predicted(given)))
    if not np.isfinite(given).all():
        return float("inf"), flips
    kind_wanted, kind_given = output_kinds(wanted, given)
    divergence = kullback_leibler_of(log_probabilities(wanted, kind_wanted), log_probabilities(given, kind_given))
    return float(divergence.mean()), flips


def _counter(total: int, progress: Progress) -> Callable[[int], None]:
    done = 0

    def seen(images: int) -> None:
        nonlocal done
        done += images
        progress(min(1.0, done / total), "repair: measuring channels")

    return seen


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
