"""Repair a compressed model without labels: give its channels the baseline's statistics again.

BatchNorms are re-estimated; other layers' channels get the baseline's mean and standard deviation
(REPAIR, Jordan et al. 2022; DFQ, Nagel et al. 2019), the weight rows by a factor and the bias by a
shift, so zeros stay zero.

The whole repair can hurt a model that is hardly damaged: at 50 % sparsity LeNet-5 on GTSRB flips
more with it than without, and least with a quarter of it, since matching the spread also amplifies
the part of a channel that no longer follows the baseline. So a quarter of the images measures
nothing and judges: of five strengths that with the smallest divergence from the baseline's
probabilities is taken. Strength 0 is among them.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.channel_moments import Moments
from compress_onnx.compress.channel_statistics import (
    activation_bytes,
    baseline_moments,
    renormalised_moments,
)
from compress_onnx.compress.corrections import Correction, corrected, correction, layers
from compress_onnx.compress.image_pool import ImagePool
from compress_onnx.compress.sites import LayerSite, Site, channels, repair_sites, stored
from compress_onnx.compress.tensor_runner import free_batch, runner
from compress_onnx.config import Progress, silent
from compress_onnx.errors import ModelError
from compress_onnx.graph import signature
from compress_onnx.metrics.divergence import kullback_leibler_of
from compress_onnx.metrics.probabilities import log_probabilities, output_kinds, predicted

Batches = Callable[[], Iterable[NDArray[np.float32]]]

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
# A site's tensor at most this large, with about four of its size alive beside it at a time.
LARGEST_TENSOR_BYTES = 64 * 2**20
# Judging runs the model as it is: far lighter than measuring.
_JUDGING_BATCH = 64


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RepairOutcome:
    """A repaired model and what the repair gained on ``n`` calibration images that it did not measure.

    ``kl_*`` is the mean Kullback-Leibler divergence of the baseline's probabilities from the
    model's in nats, ``flips_*`` the fraction of changed predictions, before and after. ``strength``
    0 means that no repair was better. ``ratios`` holds, by weight name, the factor (C_out,) float32
    of every output channel; weights that were not scaled are absent.
    """

    model: onnx.ModelProto
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

    ``candidate`` is a pruned or fake-quantised copy of ``baseline``, with the same tensor names.
    ``batches`` gives images (B, C, H, W) float32 without labels, and is asked once. Memory is
    bounded by :data:`LARGEST_TENSOR_BYTES`, whatever the number of images: they wait on disk.

    Errors
    ------
    ModelError
        if a layer of the candidate is missing in the baseline, or a model does not run on batches.
    DataError
        if there are fewer than 8 images, or they are not finite float32.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as folder:
        pool = ImagePool(batches(), Path(folder) / "images")
        made = fit(baseline, candidate, pool, progress=_part(progress, 0.0, 0.75))
        return _judged(baseline, made, pool, progress=_part(progress, 0.75, 1.0))


def fit(baseline: onnx.ModelProto, candidate: onnx.ModelProto, pool: ImagePool, *, progress: Progress = silent) -> Fit:
    """Return the whole repair, from the pool's measuring images: one pass of each model."""
    sites = repair_sites(candidate)
    wanted = _in_baseline(baseline, candidate, layers(sites))
    total = pool.size(judging=False)
    size = batch_size(candidate, sites, pool)
    seen = _counter(total * (2 if wanted else 1), progress)
    # Where every layer has its BatchNorm, nothing of the baseline is needed.
    targets = baseline_moments(baseline, wanted, pool.batches(size, judging=False), seen=seen) if wanted else {}
    found = renormalised_moments(candidate, sites, pool.batches(size, judging=False), targets=targets, seen=seen)
    return Fit(
        candidate=candidate,
        found=found,
        corrections={site.key: correction(targets[site.key], found[site.key]) for site in wanted},
        weight_of={site.key: site.weight for site in layers(sites)},
    )


def batch_size(model: onnx.ModelProto, sites: tuple[Site, ...], pool: ImagePool) -> int:
    """Return how many images measure at once: as many as keep a site's tensor within bounds."""
    return max(2, LARGEST_TENSOR_BYTES // activation_bytes(model, sites, pool.first))


def _in_baseline(baseline: onnx.ModelProto, candidate: onnx.ModelProto, wanted: list[LayerSite]) -> list[LayerSite]:
    known = {site.key: site for site in layers(repair_sites(baseline))}
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


def _expect_same_channels(baseline: onnx.ModelProto, candidate: onnx.ModelProto, wanted: list[LayerSite]) -> None:
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


def _judged(baseline: onnx.ModelProto, made: Fit, pool: ImagePool, *, progress: Progress) -> RepairOutcome:
    wanted = _outputs(baseline, pool)
    scores: dict[float, tuple[float, float]] = {}
    for number, strength in enumerate(STRENGTHS, start=1):
        scores[strength] = _score(wanted, _outputs(made.at(strength), pool))
        progress(number / len(STRENGTHS), "repair: judging its strength")
    # Among equals the weakest: a model that lost nothing stays as it is.
    best = min(STRENGTHS, key=lambda strength: (scores[strength][0], strength))
    return RepairOutcome(
        model=made.at(best),
        ratios=made.ratios(best),
        strength=best,
        kl_before=scores[0.0][0],
        kl_after=scores[best][0],
        flips_before=scores[0.0][1],
        flips_after=scores[best][1],
        n=len(wanted),
    )


def _outputs(model: onnx.ModelProto, pool: ImagePool) -> NDArray[np.float32]:
    """Return the model's outputs (N, C) on the images that judge."""
    run = runner(free_batch(model), [signature(model).output_name])
    return np.concatenate([run(batch)[0] for batch in pool.batches(_JUDGING_BATCH, judging=True)])


def _score(wanted: NDArray[np.float32], given: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean divergence in nats and the fraction of flips; an overflowed model is infinitely far."""
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
