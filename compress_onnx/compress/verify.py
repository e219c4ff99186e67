"""Every file that is made is checked against its source before it is handed over."""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.compress.failures import runtime_failures
from compress_onnx.compress.layer_error import LayerError, Ranges, layer_errors
from compress_onnx.compress.sessions import quiet_options
from compress_onnx.errors import SelfCheckError
from compress_onnx.graph import Signature, model_bytes, signature

# Times what a layer's widths explain, in mean squares; of the networks of models/ and random ones none came above 5.
FACTOR = 16.0
# Share of the largest output by which two forms of one float network may differ: rounding alone differs by 1e-6.
_SAME = 1e-2
# Root mean square, as a share of the outputs' range: a step of rounding in every layer came to 2 %.
_ROUNDING = 0.1
_IMAGES, _SMALL, _USUAL = 16, 3 * 64 * 64, 224
REPORT = "Nothing was written; please report it with the model, or leave that step out."


def checked_images(takes: Signature) -> int:
    """Return how many images check a result: 16 of 64x64 pixels, fewer of larger ones, whose activations are large."""
    elements = math.prod(size or _USUAL for size in takes.image_shape)
    return max(2, min(_IMAGES, _IMAGES * _SMALL // elements))


def expect_same_function(
    before: onnx.ModelProto, after: onnx.ModelProto, images: NDArray[np.float32], *, step: str
) -> None:
    """Raise unless two float models give the same outputs on the images but for rounding, where the first are finite.

    Errors
    ------
    SelfCheckError
        that names the ``step`` which made ``after``.
    """
    found = difference(before, after, images)
    if not found <= _SAME:
        raise SelfCheckError(
            "the source's outputs after a step that changes none",
            f"a difference of {found:.2%} of the largest",
            where=step,
            remedy=REPORT,
        )


def difference(before: onnx.ModelProto, after: onnx.ModelProto, images: NDArray[np.float32]) -> float:
    """Return how far outputs differ at most, as a share of the largest of the first model; 0 where those are not finite."""
    if before is after:
        return 0.0
    wanted = outputs(before, images).astype(np.float64)
    if not np.isfinite(wanted).all():
        return 0.0
    largest = float(np.abs(wanted).max(initial=0)) or 1.0
    return float(np.abs(wanted - outputs(after, images)).max(initial=0)) / largest


def expect_explained(
    reference: onnx.ModelProto, quantised: onnx.ModelProto, images: NDArray[np.float32], ranges: Ranges
) -> None:
    """Raise where a layer's output, or its input's integers, are worse than their widths explain.

    Errors
    ------
    SelfCheckError
        that names the layer and what in it is at fault.
    """
    for error in layer_errors(reference, quantised, images, ranges):
        if error.input_found > FACTOR * error.input_explained + np.finfo(np.float32).tiny:
            raise _fault(error, "the scale and zero point of its input", error.input_found, error.input_explained)
        worst = int(np.argmax(error.found / allowed(error)))
        # Not above, so that NaN is a fault.
        if not error.found[worst] <= allowed(error)[worst]:
            raise _fault(
                error, f"the weights or bias of its channel {worst}", error.found[worst], allowed(error)[worst] / FACTOR
            )


def allowed(error: LayerError) -> NDArray[np.float64]:
    """Return the mean square (C,) up to which a layer's error is explained: by channel, by layer, by its output's step."""
    floor = error.step**2 / 12 + np.finfo(np.float32).tiny
    return np.asarray(FACTOR * (error.explained + error.explained.mean() + floor))


def _fault(error: LayerError, what: str, found: float, explained: float) -> SelfCheckError:
    node = error.node
    return SelfCheckError(
        f"node {node.name or node.output[0]!r} ({node.op_type}) within what {error.bits}-bit weights and 8-bit inputs explain",
        f"{found / max(explained, np.finfo(np.float32).tiny):.3g} times that error (mean square), by {what}",
        where="check of the quantised file",
        remedy=REPORT,
    )


def expect_runs(model: onnx.ModelProto, images: NDArray[np.float32], *, fused: bool) -> None:
    """Raise unless ONNX Runtime loads a quantised model as written and optimised, with finite and, if ``fused``, like answers.

    ``fused`` tells that the optimised model's integers do not saturate on this CPU: then its answers
    may differ from the written ones by integer rounding alone.
    """
    written, optimised = outputs(model, images, optimised=False), outputs(model, images)
    if not (np.isfinite(written).all() and np.isfinite(optimised).all()):
        raise SelfCheckError("finite outputs", "NaN or infinity", where="check of the quantised file", remedy=REPORT)
    spread = float(written.max() - written.min()) or 1.0
    difference = float(np.sqrt(np.mean((written - optimised).astype(np.float64) ** 2)))
    if fused and difference > _ROUNDING * spread:
        raise SelfCheckError(
            "the same answers with and without ONNX Runtime's optimiser, up to rounding",
            f"a difference of {difference / spread:.1%} of their range",
            where="check of the quantised file",
            remedy=REPORT,
        )


def outputs(model: onnx.ModelProto, images: NDArray[np.float32], *, optimised: bool = True) -> NDArray[np.float32]:
    """Return what a model gives (N, C) for the images, as many as it takes at once."""
    options, expected = quiet_options(), signature(model)
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    with runtime_failures("a model that ONNX Runtime loads and runs", where="check of the result"):
        session = ort.InferenceSession(
            model_bytes(model), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        return np.asarray(session.run([expected.output_name], {expected.input_name: images})[0])
