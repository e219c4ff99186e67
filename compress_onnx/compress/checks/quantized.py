"""Quantized models checked against what their widths explain, before they are handed over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.checks.layer_error import LayerError, Ranges, layer_errors
from compress_onnx.compress.checks.same_function import REPORT, outputs
from compress_onnx.errors import SelfCheckError

# Times what a layer's widths explain, in mean squares; of the networks of models/ and random ones none came above 5.
FACTOR = 16.0
# Root mean square, as a share of the outputs' range: a step of rounding in every layer came to 2 %.
_ROUNDING = 0.1
_TINY = float(np.finfo(np.float32).tiny)


def expect_explained(
    reference: onnx.ModelProto, quantized: onnx.ModelProto, seen: Mapping[str, NDArray[np.floating]], ranges: Ranges
) -> None:
    """Raise where a layer's output, or its input's integers, are worse than their widths explain.

    ``seen`` are the float model's :func:`~compress_onnx.compress.checks.layer_error.taps`.

    Errors
    ------
    SelfCheckError
        that names the layer and what in it is at fault.
    """
    for error in layer_errors(reference, quantized, seen, ranges):
        if error.input_measured > FACTOR * error.input_explained + _TINY:
            raise _fault(error, "the scale and zero point of its input", error.input_measured, error.input_explained)
        worst = int(np.argmax(error.measured / allowed(error)))
        # Not above, so that NaN is a fault.
        if not error.measured[worst] <= allowed(error)[worst]:
            raise _fault(
                error,
                f"the weights or bias of its channel {worst}",
                error.measured[worst],
                allowed(error)[worst] / FACTOR,
            )


def allowed(error: LayerError) -> NDArray[np.float64]:
    """Return the mean square (C,) up to which a layer's error is explained: by channel, by layer, by its output's step."""
    floor = error.step**2 / 12 + _TINY
    return np.asarray(FACTOR * (error.explained + error.explained.mean() + floor))


def _fault(error: LayerError, what: str, measured: float, explained: float) -> SelfCheckError:
    node = error.node
    return SelfCheckError(
        f"node {node.name or node.output[0]!r} ({node.op_type}) within what {error.bits}-bit weights and 8-bit inputs explain",
        f"{measured / max(explained, _TINY):.3g} times that error (mean square), by {what}",
        where="check of the quantized file",
        remedy=REPORT,
    )


def expect_runs(model: onnx.ModelProto, images: NDArray[np.float32], *, fused: bool) -> None:
    """Raise unless ONNX Runtime loads a quantized model as written and optimized, with finite and, if ``fused``, like answers.

    ``fused`` tells that the optimized model's integers do not saturate on this CPU: then its answers
    may differ from the written ones by integer rounding alone.
    """
    written, optimized = outputs(model, images, optimized=False), outputs(model, images)
    if not (np.isfinite(written).all() and np.isfinite(optimized).all()):
        raise SelfCheckError("finite outputs", "NaN or infinity", where="check of the quantized file", remedy=REPORT)
    spread = float(written.max().item()) - float(written.min().item()) or 1.0
    apart = float(np.sqrt(np.mean((written - optimized).astype(np.float64) ** 2)))
    if fused and apart > _ROUNDING * spread:
        raise SelfCheckError(
            "the same answers with and without ONNX Runtime's optimizer, up to rounding",
            f"a difference of {apart / spread:.1%} of their range",
            where="check of the quantized file",
            remedy=REPORT,
        )
