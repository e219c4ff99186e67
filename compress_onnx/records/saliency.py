"""How far attribution maps moved."""

from __future__ import annotations

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
    """Saliency similarity over one group of samples (all, same or flipped predictions).

    Deviation is the mean absolute difference of min-max-normalised maps, 0 to 1.
    """

    n: int
    mean_absolute_deviation: Measure
    spearman: Measure
    top_k_overlap: Measure
    ssim: Measure


@record
class SaliencyShift:
    """How far the candidate's attribution maps moved, between two anchors.

    ``noise_floor`` is the baseline against itself under half a grey level of input noise,
    ``randomised_ceiling`` the baseline against a copy with re-drawn weights.
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
    randomised_ceiling: float | None
    undefined_reason: str | None = None
