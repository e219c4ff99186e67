"""The pass over the samples that holds a candidate's maps against the baseline's."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compress_onnx.metrics import (
    ClassSamples,
    MapSimilarities,
    MeanShift,
    class_saliency,
    coarse,
    flat,
    joined,
    map_similarities,
    mean_absolute_deviation,
    normalized,
)
from compress_onnx.options import Progress, silent
from compress_onnx.records import SystematicShift
from compress_onnx.saliency.batching import Pace
from compress_onnx.saliency.floor_ceiling import ExplainedBaseline
from compress_onnx.saliency.maps_on_disk import MapsOnDisk
from compress_onnx.saliency.task import SaliencyTask

Maps = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapPairs:
    """Maps of both models, each (K, H, W) float32 scaled to 0 to 1, and their deviation (K,) float64."""

    baseline: Maps
    candidate: Maps
    deviation: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComparedMaps:
    """What a pass over all samples leaves: per-sample numbers, sums, the number of flat maps, and the candidate's maps on disk."""

    baseline: ExplainedBaseline
    similarities: MapSimilarities
    mean_shift: MeanShift
    coarse_differences: NDArray[np.float32]
    maps: MapsOnDisk
    flat: int

    def systematic(self, task: SaliencyTask, rng: np.random.Generator) -> SystematicShift:
        """Return whether attention moved in one way, over all samples and by class."""
        labels = task.sorted_as
        names = task.class_names or tuple(str(label) for label in range(int(labels.max()) + 1))
        samples = ClassSamples(
            classes=labels,
            deviation=self.similarities.mean_absolute_deviation,
            differences=self.coarse_differences,
        )
        return self.mean_shift.verdict(class_saliency(samples, names, rng))

    def pairs(self, rows: NDArray[np.int64]) -> MapPairs:
        """Return the map pairs of some rows (K,)."""
        return _scaled(self.baseline.maps.pick(rows), self.maps.pick(rows))


def compare_maps(
    task: SaliencyTask,
    baseline: ExplainedBaseline,
    twin: nn.Module,
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> ComparedMaps:
    """Explain all samples, at least one, under a candidate's twin and compare with the baseline's maps.

    ``rng`` draws the signs of the test for a systematic shift.

    Errors
    ------
    ModelError
        if a map is NaN or infinite.
    """
    maps, flat_maps = MapsOnDisk(), 0
    shift = MeanShift(*baseline.maps.shape, rng)
    parts: list[MapSimilarities] = []
    differences: list[NDArray[np.float32]] = []
    pace = Pace(progress, len(task), f"{task.method} maps")
    for rows, batch in task.inputs(twin):
        before, after = baseline.maps.read(rows), task.explain(twin, batch, rows)
        maps.append(after)
        flat_maps += int(flat(after).sum())
        parts.append(map_similarities(before, after))
        cells = shift.cells(before), shift.cells(after)
        shift.add(*cells)
        differences.append(coarse(cells[1] - cells[0]))
        pace.done(rows.stop)
    return ComparedMaps(
        baseline=baseline,
        similarities=joined(parts),
        mean_shift=shift,
        coarse_differences=np.concatenate(differences),
        maps=maps,
        flat=flat_maps,
    )


def explained_pairs(task: SaliencyTask | None, baseline: nn.Module, candidate: nn.Module) -> MapPairs | None:
    """Return the map pairs of a few samples under both twins; ``None`` without samples."""
    if task is None or len(task) == 0:
        return None
    before, after = (
        np.concatenate([task.explain(twin, batch, rows) for rows, batch in task.inputs(twin)])
        for twin in (baseline, candidate)
    )
    return _scaled(before, after)


def _scaled(baseline: Maps, candidate: Maps) -> MapPairs:
    if len(baseline) == 0:
        return MapPairs(baseline=baseline, candidate=candidate, deviation=np.zeros(0))
    return MapPairs(
        baseline=normalized(baseline).astype(np.float32),
        candidate=normalized(candidate).astype(np.float32),
        deviation=mean_absolute_deviation(baseline, candidate),
    )
