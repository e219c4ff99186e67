"""What a comparison does beside comparing outputs, resolved."""

from __future__ import annotations

import dataclasses

from compress_onnx.extension_points import attribution
from compress_onnx.extras import missing_packages, require_extra
from compress_onnx.options import (
    BATCH,
    PICTURES,
    SALIENCY_SAMPLES,
    SALIENCY_TARGET,
    SEED,
    THREADS,
    check_options,
    option_field,
)
from compress_onnx.records import OptionValue, Preprocessing
from compress_onnx.runtime import LatencyPlan

NO_SALIENCY = "none"
AUTO = "auto"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """Options of ``compare``; see :mod:`compress_onnx.options` for bounds and reasons.

    ``saliency`` is a method's name, with a layer as ``grad-cam:LAYER``, or ``none``; ``saliency_target``
    is the class it explains; ``latency`` is ``None`` where nothing is timed;
    ``preprocessing`` serves models whose metadata holds none; ``pictures`` bounds how many flipped
    samples per candidate are kept with picture and maps for the report; ``target`` names another CPU
    on which every file answers too. ``batch`` images go into one call of a model whose answers depend on the
    call, and only there: what the other models answer does not depend on it. ``threads`` predict, ``None``
    is one per usable core; ``cache`` keeps predictions for the next comparison. Neither of the two changes a
    prediction, so the record says what was asked for, and ``RunRecord.predicted`` what was done.
    """

    saliency: str = NO_SALIENCY
    saliency_samples: int = option_field(SALIENCY_SAMPLES)
    saliency_target: str = option_field(SALIENCY_TARGET)
    latency: LatencyPlan | None = None
    threads: int | None = option_field(THREADS, default=None)
    batch: int = option_field(BATCH)
    seed: int = option_field(SEED)
    pictures: int = option_field(PICTURES)
    preprocessing: Preprocessing | None = None
    cache: bool = True
    target: str | None = None

    def __post_init__(self) -> None:
        check_options(self)
        if self.latency is not None:
            self.latency.checked()

    def recorded(self) -> dict[str, OptionValue]:
        """Return the options as a record keeps them."""
        timed = self.latency
        return {
            "saliency": self.saliency,
            "saliency_samples": self.saliency_samples,
            "saliency_target": self.saliency_target,
            "threads": self.threads,
            "batch": self.batch,
            "seed": self.seed,
            "pictures": self.pictures,
            "target": self.target,
            "latency_threads": timed.threads if timed else None,
            "latency_batch": timed.batch if timed else None,
            "latency_rounds": timed.rounds if timed else None,
            "latency_calls": timed.calls if timed else None,
        }


def saliency_method(wanted: str) -> str:
    """Return the attribution method to use; ``auto`` is gradient where the torch extra is installed, else ``none``.

    Errors
    ------
    UnknownNameError
        if no method has that name.
    OptionError
        if a layer is given to a method that looks at none.
    MissingExtraError
        if a method was asked for by name and the extra is missing.
    """
    if wanted == AUTO:
        return NO_SALIENCY if missing_packages("torch") else "gradient"
    if wanted != NO_SALIENCY:
        require_extra("torch", command=f"--saliency {wanted}")
        attribution(wanted)
    return wanted
