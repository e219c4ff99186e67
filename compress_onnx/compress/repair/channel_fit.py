"""The repair of a candidate's channels: measured in one pass of each model, to be applied at any strength."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.calibration import ImagePool, Moments
from compress_onnx.compress.layers import Repairable, RepairableLayer, channels, repairable_nodes, stored
from compress_onnx.compress.repair.channel_statistics import activation_bytes, renormalized_moments
from compress_onnx.compress.repair.corrections import Correction, corrected, correction, repairable_layers
from compress_onnx.compress.repair.reference import Reference
from compress_onnx.errors import ModelError
from compress_onnx.options import Progress, silent

# A tensor that is measured is at most this large, with about four of its size alive beside it at a time.
LARGEST_TENSOR_BYTES = 64 * 2**20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """The whole repair of a candidate: ``moments`` met by tensor, corrections and weight names by layer output."""

    candidate: onnx.ModelProto
    moments: Mapping[str, Moments]
    corrections: Mapping[str, Correction]
    weight_of: Mapping[str, str]

    def at(self, strength: float) -> onnx.ModelProto:
        """Return the candidate repaired by ``strength``."""
        return corrected(self.candidate, self.moments, self.corrections, strength=strength)

    def ratios(self, strength: float) -> dict[str, NDArray[np.float32]]:
        """Return the factors of output channels by weight name."""
        return {
            self.weight_of[output]: made.at(strength).factor.astype(np.float32)
            for output, made in self.corrections.items()
        }


def fit(reference: Reference, candidate: onnx.ModelProto, *, progress: Progress = silent) -> Fit:
    """Return the whole repair of the channels, from the pool's measuring images: one pass of each model."""
    repairables, pool = repairable_nodes(candidate), reference.pool
    wanted = _in_baseline(reference.model, candidate, repairable_layers(repairables))
    size = batch_size(candidate, repairables, pool)
    seen = _counter(pool.size(judging=False) * (2 if wanted else 1), progress)
    # Where every layer has its BatchNorm, nothing of the baseline is needed.
    targets = reference.layers(wanted, size, seen=seen) if wanted else {}
    moments = renormalized_moments(
        candidate, repairables, pool.batches(size, judging=False), targets=targets, seen=seen
    )
    return Fit(
        candidate=candidate,
        moments=moments,
        corrections={
            repairable.key: correction(targets[repairable.key], moments[repairable.key]) for repairable in wanted
        },
        weight_of={repairable.key: repairable.weight for repairable in repairable_layers(repairables)},
    )


def batch_size(model: onnx.ModelProto, repairables: tuple[Repairable, ...], pool: ImagePool) -> int:
    """Return how many images measure at once: as many as keep a measured tensor within bounds."""
    return max(2, LARGEST_TENSOR_BYTES // activation_bytes(model, repairables, pool.first))


def _in_baseline(
    baseline: onnx.ModelProto, candidate: onnx.ModelProto, wanted: list[RepairableLayer]
) -> list[RepairableLayer]:
    known = {repairable.key: repairable for repairable in repairable_layers(repairable_nodes(baseline))}
    missing = [repairable.key for repairable in wanted if repairable.key not in known]
    if missing:
        raise ModelError(
            "a candidate with the baseline's layers",
            f"the layer output {missing[0]!r}, which the baseline lacks",
            where="repair",
            remedy="Repair a compressed copy of the same file, folded if the other is folded.",
        )
    _expect_same_channels(baseline, candidate, wanted)
    return [known[repairable.key] for repairable in wanted]


def _expect_same_channels(baseline: onnx.ModelProto, candidate: onnx.ModelProto, wanted: list[RepairableLayer]) -> None:
    """Raise where structured pruning took channels whose statistics the baseline would give."""
    before, after = stored(baseline), stored(candidate)
    for repairable in wanted:
        if repairable.weight in before:
            had, has = (
                channels(repairable.node, before[repairable.weight]),
                channels(repairable.node, after[repairable.weight]),
            )
            if had != has:
                raise ModelError(
                    "a candidate whose layers without BatchNorm have all their channels",
                    f"{has} of {had} in {repairable.weight!r}",
                    where="repair",
                    remedy="Leave the repair out after structured pruning of such a network.",
                )


def _counter(total: int, progress: Progress) -> Callable[[int], None]:
    done = 0

    def seen(images: int) -> None:
        nonlocal done
        done += images
        progress(min(1.0, done / total), "repair: measuring channels")

    return seen
