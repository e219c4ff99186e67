"""How far attribution maps moved."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from compress_onnx.records.base import Measure, record


@record
class TwinFidelity:
    """How exactly the PyTorch twin computes what ONNX Runtime computes on ``n`` samples."""

    n: int
    top1_agreement: float
    max_abs_logit_diff: float
    accepted: bool


@record
class SaliencyGroup:
    """Saliency similarity over one group of samples (all, same or flipped predictions), or of an anchor.

    Deviation is the mean absolute difference of min-max-normalized maps, 0 to 1. The shift of the
    center of mass is given as a fraction of the picture's diagonal and in pixels.
    """

    n: int
    mean_absolute_deviation: Measure
    spearman: Measure
    top_k_overlap: Measure
    ssim: Measure
    cosine: Measure | None = None
    center_shift: Measure | None = None
    center_shift_px: Measure | None = None


@record
class SaliencyScale:
    """Where a candidate lies by each further measure: 0 at the noise floor, 1 at the randomized ceiling.

    The position by deviation is :attr:`SaliencyShift.scale_position`.
    """

    spearman: Measure
    top_k_overlap: Measure
    ssim: Measure
    cosine: Measure
    center_shift: Measure


class ShiftVerdict(StrEnum):
    """Whether saliency moved in one way over all pictures.

    ``negligible``: beyond chance, but smaller than what is called a small effect.
    """

    SYSTEMATIC = "systematic"
    NEGLIGIBLE = "negligible"
    NOT_SYSTEMATIC = "not systematic"
    UNDECIDED = "undecided"


@record
class ClassSaliency:
    """How saliency moved in the pictures of one class.

    ``effect`` and ``p_value`` are as in :class:`SystematicShift`, for this class alone and on a grid of at
    most 8 x 8 cells; ``q_value`` is ``p_value`` adjusted by Benjamini and Hochberg over all
    classes. The three are ``None`` for a class with too few samples.
    """

    class_name: str
    n: int
    mean_absolute_deviation: Measure
    effect: float | None
    p_value: float | None
    q_value: float | None


@record
class SystematicShift:
    """Whether the mean of the signed differences (candidate minus baseline, normalized maps) is more than chance.

    ``p_value`` is that of the sign-flip test of the largest standardized mean over all cells;
    ``significant_fraction`` the share of cells significant at a false-discovery rate of 5 %;
    ``effect`` the root mean square over cells of the standardized mean difference, and
    ``explained`` the share of the mean square difference that the mean map explains, both freed of
    what chance adds; ``largest_effect`` the largest magnitude of a cell's standardized mean
    difference. A cell is ``cell_px`` pixels high and wide.
    """

    verdict: ShiftVerdict
    n: int
    p_value: float | None
    permutations: int
    cell_px: int
    significant_fraction: Measure
    effect: Measure
    explained: Measure
    largest_effect: float | None
    classes: tuple[ClassSaliency, ...]
    undefined_reason: str | None = None


@record
class SaliencyShift:
    """How far the candidate's attribution maps moved, between two anchors.

    ``floor`` is the baseline against itself under half a gray level of input noise, ``ceiling`` the
    baseline against copies with re-drawn weights, by every measure; ``noise_floor`` and
    ``randomized_ceiling`` are their deviations. ``scale_position`` is the candidate's position by
    deviation, 0 at the floor, 1 at the ceiling. ``flat_baseline`` and ``flat_candidate`` count maps
    whose pixels are all equal.
    """

    method: str
    target: str
    n: int
    fidelity_baseline: TwinFidelity
    fidelity_candidate: TwinFidelity
    over_all: SaliencyGroup | None
    over_same: SaliencyGroup | None
    over_flipped: SaliencyGroup | None
    noise_floor: float | None
    randomized_ceiling: float | None
    undefined_reason: str | None = None
    over_same_undefined_reason: str | None = None
    over_flipped_undefined_reason: str | None = None
    floor: SaliencyGroup | None = None
    ceiling: SaliencyGroup | None = None
    ceiling_undefined_reason: str | None = None
    scale_position: Measure | None = None
    scale: SaliencyScale | None = None
    systematic: SystematicShift | None = None
    flat_baseline: int = 0
    flat_candidate: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyMaps:
    """What a report shows of one candidate's saliency maps.

    Means over the counted samples of min-max-normalized maps, each (h, w) float32, averaged over
    cells of :attr:`SystematicShift.cell_px` pixels: baseline, candidate, and their signed
    difference (candidate minus baseline); ``significant`` (h, w) bool. Examples, the sample of
    median and that of largest deviation (E is 1 for a single sample): ``example_ids`` (E,) str,
    ``example_pixels`` (E, H, W, 3) uint8, normalized maps (E, H, W) float32, ``example_deviation`` (E,)
    float32.
    """

    mean_baseline: NDArray[np.float32]
    mean_candidate: NDArray[np.float32]
    mean_difference: NDArray[np.float32]
    significant: NDArray[np.bool_]
    example_ids: NDArray[np.str_]
    example_pixels: NDArray[np.uint8]
    example_baseline: NDArray[np.float32]
    example_candidate: NDArray[np.float32]
    example_deviation: NDArray[np.float32]
