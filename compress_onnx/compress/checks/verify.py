"""Every file that is made is checked against its source before it is handed over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.checks.layer_error import LayerError, Ranges, layer_errors
from compress_onnx.errors import SelfCheckError
from compress_onnx.model import signature_of
from compress_onnx.ort import compressing_session, quiet_options, runtime_failures

# Times what a layer's widths explain, in mean squares; of the networks of models/ and random ones none came above 5.
FACTOR = 16.0
# Share of the largest output by which two forms of one float network may differ: rounding alone differs by 1e-6.
_SAME = 1e-2
# Root mean square, as a share of the outputs' range: a step of rounding in every layer came to 2 %.
_ROUNDING = 0.1
_TINY = float(np.finfo(np.float32).tiny)
# Images that check a result: every position of every channel tells.
CHECKED_IMAGES = 2
_RUNS = "a model that ONNX Runtime loads and runs"
REPORT = "Nothing was written; please report it with the model, or leave that step out."


def few(images: NDArray[np.float32], model: onnx.ModelProto) -> NDArray[np.float32]:
    """Return the image that tells a wrong output from a right one; all where the model takes no other number."""
    return images if signature_of(model).fixed_batch else images[:1]


def expect_same_function(
    before: onnx.ModelProto, given: NDArray[np.floating], images: NDArray[np.float32], *, step: str
) -> None:
    """Raise unless outputs ``given`` (N, C) are the first model's but for rounding, where that has finite ones.

    Errors
    ------
    SelfCheckError
        that names the ``step`` whose model gave them.
    """
    found = difference(outputs(before, images, optimized=False), given)
    if not found <= _SAME:
        raise SelfCheckError(
            "the source's outputs after a step that changes none",
            f"a difference of {found:.2%} of the largest",
            where=step,
            remedy=REPORT,
        )


def difference(wanted: NDArray[np.floating], given: NDArray[np.floating]) -> float:
    """Return how far outputs (N, C) differ at most, as a share of the largest wanted; 0 where those are not finite.

    >>> difference(np.array([[4.0, 2.0]]), np.array([[4.0, 1.0]]))
    0.25
    """
    if not np.isfinite(wanted).all():
        return 0.0
    largest = float(np.abs(wanted).max(initial=0)) or 1.0
    return float(np.abs(wanted.astype(np.float64) - given).max(initial=0)) / largest


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
        if error.input_found > FACTOR * error.input_explained + _TINY:
            raise _fault(error, "the scale and zero point of its input", error.input_found, error.input_explained)
        worst = int(np.argmax(error.found / allowed(error)))
        # Not above, so that NaN is a fault.
        if not error.found[worst] <= allowed(error)[worst]:
            raise _fault(
                error, f"the weights or bias of its channel {worst}", error.found[worst], allowed(error)[worst] / FACTOR
            )


def allowed(error: LayerError) -> NDArray[np.float64]:
    """Return the mean square (C,) up to which a layer's error is explained: by channel, by layer, by its output's step."""
    floor = error.step**2 / 12 + _TINY
    return np.asarray(FACTOR * (error.explained + error.explained.mean() + floor))


def _fault(error: LayerError, what: str, found: float, explained: float) -> SelfCheckError:
    node = error.node
    return SelfCheckError(
        f"node {node.name or node.output[0]!r} ({node.op_type}) within what {error.bits}-bit weights and 8-bit inputs explain",
        f"{found / max(explained, _TINY):.3g} times that error (mean square), by {what}",
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


def outputs(model: onnx.ModelProto, images: NDArray[np.float32], *, optimized: bool = True) -> NDArray[np.float32]:
    """Return what a model gives (N, C) for the images, as many as it takes at once."""
    expected, options = signature_of(model), quiet_options(optimized=optimized)
    where = "check of the result"
    session = compressing_session(model, where=where, expected=_RUNS, options=options)
    with runtime_failures(where, expected=_RUNS):
        return np.asarray(session.run([expected.output_name], {expected.input_name: images})[0])
