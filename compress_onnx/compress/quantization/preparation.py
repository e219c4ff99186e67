"""A float model made ready for quantization: folded, checked and measured on the calibration images."""

from __future__ import annotations

import collections
import dataclasses
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import TensorsData

from compress_onnx.compress.calibration import (
    FirstImages,
    InputMoments,
    fitting,
    kept_ranges,
    range_key,
    ranges,
    read_ranges,
)
from compress_onnx.compress.checks import (
    CheckedForm,
    checked_form,
    expect_explained,
    expect_runs,
    few,
    made_images,
    taps,
)
from compress_onnx.compress.float_form import float_form, plain_operators
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.errors import ModelError
from compress_onnx.model import (
    default_opset,
    expect_finite_weights,
    expect_plain_order,
    is_quantized,
    normalized,
    prunable_initializers,
    save_model,
    signature_of,
)

# DequantizeLinear has had an axis, and so per-channel scales, since opset 13.
_LEAST_OPSET = 13
# INT4 exists since opset 21.
_LEAST_OPSET_INT4 = 21


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A model's folded form, its activations' ranges and the second moments of its layers' inputs.

    ``sample`` are the inputs on which results are checked.
    """

    form: CheckedForm
    ranges: TensorsData
    moments: dict[str, NDArray[np.float32]]
    sample: NDArray[np.float32]

    @property
    def model(self) -> onnx.ModelProto:
        """The folded model."""
        return self.form.model


def prepare(
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    options: QuantizeOptions,
    *,
    where: object = "",
) -> Prepared:
    """Fold a copy of a float model and measure on the batches what its quantization needs.

    Errors
    ------
    ModelError, DataError
        as of :func:`~compress_onnx.compress.quantization.quantize.quantize_model`.
    """
    bare = _plain_floats(model, options, where)
    expected = signature_of(bare, where=where)
    plain = float_form(bare)
    images = FirstImages(fitting(batches, expected, where=where), expected)
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        source = Path(name) / "folded.onnx"
        save_model(plain, source)
        # Where the ranges are known and nothing else is asked of the images, they stay unread.
        unread = not options.needs_moments and read_ranges(_key(source, options), options.method) is not None
        sample = made_images(model) if unread else images.sample()
        form = checked_form(model, plain, images.looked_at(), sample)
        if form.model is not plain:
            save_model(form.model, source)
        found, moments = _measured(form, source, images, options)
    return Prepared(form=form, ranges=found, moments=moments, sample=sample)


def _plain_floats(model: onnx.ModelProto, options: QuantizeOptions, where: object) -> onnx.ModelProto:
    """Return a float model in plain operators, in which there is something to quantize."""
    if is_quantized(model):
        raise ModelError("a float model to quantize", "a quantized one", where=where, remedy="Name its FP32 parent.")
    ready = normalized(model)
    expect_plain_order(ready, where=where)
    bare = plain_operators(ready, where=where)
    _expect_quantizable(bare, options, where)
    return bare


def _expect_quantizable(model: onnx.ModelProto, options: QuantizeOptions, where: object) -> None:
    weights = prunable_initializers(model)
    if not weights:
        raise ModelError("weights to quantize (Conv, ConvTranspose, Gemm, MatMul)", "none", where=where)
    least = _LEAST_OPSET if options.weights == "int8" else _LEAST_OPSET_INT4
    if default_opset(model) < least:
        raise ModelError(
            f"opset {least} or newer{'' if options.weights == 'int8' else ' for 4-bit weights'}",
            f"opset {default_opset(model)}",
            where=where,
            remedy="Convert it with onnx.version_converter or export it again.",
        )
    expect_finite_weights(weights, where=where)


def _measured(
    form: CheckedForm, source: Path, images: FirstImages, options: QuantizeOptions
) -> tuple[TensorsData, dict[str, NDArray[np.float32]]]:
    """Return the ranges of all activations of the form's file, and the moments that are needed, by one pass."""
    moments = InputMoments(form.model, only=None if options.needs_moments else form.delicate)
    is_watched = options.needs_moments or form.delicate
    batches = moments.watching(images.all()) if is_watched else images.all()
    taken = signature_of(form.model).input_name
    found = kept_ranges(
        _key(source, options),
        lambda: ranges(source, taken, batches, method=options.method, scratch=source.parent),
        method=options.method,
    )
    if is_watched:
        # Ranges that were kept leave the images unread.
        collections.deque(batches, maxlen=0)
    return found, moments.found()


def _key(source: Path, options: QuantizeOptions) -> str | None:
    return options.cache_key and range_key(source, options.cache_key, method=options.method)


def expect_faithful(
    quantized: onnx.ModelProto,
    prepared: Prepared,
    options: QuantizeOptions,
    *,
    reference: onnx.ModelProto | None = None,
) -> None:
    """Raise unless a quantized model does what its widths let expect; ``reference`` is the float one if not the prepared.

    Errors
    ------
    SelfCheckError
        that names the node and what in it is at fault.
    """
    limits = {name: (float(entry.lowest), float(entry.highest)) for name, entry in prepared.ranges.items()}
    seen = prepared.form.seen if reference is None else taps(reference, prepared.sample)
    expect_explained(reference or prepared.model, quantized, seen, limits)
    # Seven-bit weights saturate nowhere; with eight the fused kernels of this CPU may.
    expect_runs(quantized, few(prepared.sample, quantized), fused=options.reduce_range)
