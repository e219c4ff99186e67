"""Static post-training quantization with ONNX Runtime, in the types that fuse on the target CPU."""

from __future__ import annotations

import collections
import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType
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
from compress_onnx.compress.checks import SoundForm, expect_explained, expect_runs, few, made_images, sound_form, taps
from compress_onnx.compress.float_form import float_form, plain_operators
from compress_onnx.compress.layers import layouts, plain_name
from compress_onnx.compress.quantization.int4 import fake_quantized
from compress_onnx.compress.quantization.integer_form import IntegerTypes, integer_form
from compress_onnx.compress.quantization.widen import widened
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.model import (
    default_opset,
    descended,
    expect_finite_weights,
    expect_plain_order,
    is_quantized,
    left_float,
    normalized,
    prunable_initializers,
    save_model,
    signature_of,
)
from compress_onnx.options import CPU, MAX_DROP, METHOD, ROUNDING, SCALES, WEIGHTS
from compress_onnx.registry import unknown

# DequantizeLinear has had an axis, and so per-channel scales, since opset 13.
_LEAST_OPSET = 13
# INT4 exists since opset 21.
_LEAST_OPSET_INT4 = 21


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeOptions:
    """Resolved options of ``quantize``.

    ``cpu`` is a target, never ``auto``; ``calibration`` is the hash of the manifest that names the
    calibration images, kept in the model's recipe. ``keep_int8`` names weights that stay at 8 bits
    where the others have 4, by their names before or after folding. ``cache_key`` says which images calibrate, in which form: ranges are then
    kept in the user's cache; without it they are not.
    """

    cpu: str
    weights: str = WEIGHTS.default
    method: str = METHOD.default
    scales: str = SCALES.default
    rounding: str = ROUNDING.default
    keep_int8: tuple[str, ...] = ()
    calibration: str | None = None
    cache_key: str | None = None

    def __post_init__(self) -> None:
        WEIGHTS.check(self.weights)
        METHOD.check(self.method)
        SCALES.check(self.scales)
        ROUNDING.check(self.rounding)
        CPU.check(self.cpu)
        if self.cpu == "auto":
            raise OptionError(
                "a CPU to quantize for", "auto", remedy="Name one, or let the command line ask the probe."
            )

    @property
    def activation_type(self) -> QuantType:
        """U8 on x86-64, whose integer kernels want it; S8 on ARM, which prefers symmetric types."""
        return QuantType.QInt8 if self.cpu == "aarch64" else QuantType.QUInt8

    @property
    def integer_types(self) -> IntegerTypes:
        """What the quantizer is told of the target."""
        return IntegerTypes(
            activation=self.activation_type, symmetric=self.cpu == "aarch64", reduce_range=self.reduce_range
        )

    @property
    def reduce_range(self) -> bool:
        """Seven-bit weights where U8S8 products saturate int16: x86-64 without VNNI."""
        return self.cpu == "x86-64-avx2"

    @property
    def chosen_scales(self) -> str:
        """What the scales minimize, never ``auto``."""
        return self.scales if self.scales != "auto" else "max" if self.weights == "int8" else "mse"

    @property
    def chosen_rounding(self) -> str:
        """How weights are rounded, never ``auto``."""
        return self.rounding if self.rounding != "auto" else "nearest" if self.weights == "int8" else "gptq"

    @property
    def needs_moments(self) -> bool:
        """Tell whether the layers' inputs choose scales or integers."""
        return self.chosen_scales == "output" or self.chosen_rounding == "gptq"

    @property
    def wide_bits(self) -> int:
        """Bits of the weights that are stored in eight."""
        return 7 if self.reduce_range else 8


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A model's folded form, its activations' ranges and the second moments of its layers' inputs.

    ``sample`` are the inputs on which results are checked.
    """

    form: SoundForm
    found: TensorsData
    moments: dict[str, NDArray[np.float32]]
    sample: NDArray[np.float32]

    @property
    def model(self) -> onnx.ModelProto:
        """The folded model."""
        return self.form.model


def quantize_model(
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    options: QuantizeOptions,
    *,
    where: object = "",
) -> onnx.ModelProto:
    """Return a QDQ copy of the model with 8-bit activations and per-channel symmetric weights.

    ``batches`` are calibration inputs (B, C, H, W) float32, gone through once. BatchNorm is folded
    first. Weights have 8 bits, or 4 on disk and 8 where they run (see :func:`widened`). Symmetric
    weights keep every zero of a pruned model zero.

    Errors
    ------
    ModelError
        if the model is quantized already, has no weights to quantize or NaN among them, is older
        than opset 13 (21 for 4-bit weights), or cannot be run on the calibration inputs.
    DataError
        if there are no calibration inputs, or one is not finite or of another shape than the model's.
    OptionError
        if ``weights`` is ``mixed``, which :func:`mixed_model` serves, or ``keep_int8`` names no weight.
    """
    if options.weights == "mixed":
        raise OptionError("weights int8 or int4", "mixed", where=where, remedy="Call mixed_model, which measures.")
    prepared = prepare(model, batches, options, where=where)
    rounded, scales = approximated(prepared, options, where=where)
    quantized = store(rounded, prepared.found, options, scales=scales)
    expect_sound(quantized, prepared, options)
    return descended(quantized, model, "quantize", recorded(options) | left_float(quantized, where=where))


def prepare(
    model: onnx.ModelProto,
    batches: Iterable[NDArray[np.float32]],
    options: QuantizeOptions,
    *,
    where: object = "",
) -> Prepared:
    """Fold a float model and measure on the batches what its quantization needs.

    Errors
    ------
    ModelError, DataError
        as of :func:`quantize_model`.
    """
    if is_quantized(model):
        raise ModelError("a float model to quantize", "a quantized one", where=where, remedy="Name its FP32 parent.")
    ready = normalized(model)
    expect_plain_order(ready, where=where)
    bare = plain_operators(ready, where=where)
    _check(bare, options, where)
    expected = signature_of(bare, where=where)
    plain = float_form(bare)
    images = FirstImages(fitting(batches, expected, where=where), expected)
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as name:
        source = Path(name) / "folded.onnx"
        save_model(plain, source)
        # Where the ranges are known and nothing else is asked of the images, they stay unread.
        unread = not options.needs_moments and read_ranges(_key(source, options), options.method) is not None
        sample = made_images(model) if unread else images.sample()
        form = sound_form(model, plain, images.looked_at(), sample)
        if form.model is not plain:
            save_model(form.model, source)
        moments = InputMoments(form.model, only=None if options.needs_moments else form.delicate)
        needed = options.needs_moments or form.delicate
        watched = moments.watching(images.all()) if needed else images.all()
        found = kept_ranges(
            _key(source, options),
            lambda: ranges(source, expected.input_name, watched, method=options.method, scratch=Path(name)),
            method=options.method,
        )
        if needed:
            # Ranges that were kept leave the images unread.
            collections.deque(watched, maxlen=0)
    return Prepared(form=form, found=found, moments=moments.found(), sample=sample)


def _key(source: Path, options: QuantizeOptions) -> str | None:
    return options.cache_key and range_key(source, options.cache_key, method=options.method)


def expect_sound(
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
    ranges = {name: (float(entry.lowest), float(entry.highest)) for name, entry in prepared.found.items()}
    seen = prepared.form.seen if reference is None else taps(reference, prepared.sample)
    expect_explained(reference or prepared.model, quantized, seen, ranges)
    # Seven-bit weights saturate nowhere; with eight the fused kernels of this CPU may.
    expect_runs(quantized, few(prepared.sample, quantized), fused=options.reduce_range)


def approximated(
    prepared: Prepared, options: QuantizeOptions, *, where: object = ""
) -> tuple[onnx.ModelProto, dict[str, NDArray[np.float32]]]:
    """Return the folded float model with its weights rounded as the options say, and their scales (R,).

    Weights that ONNX Runtime shall scale itself, by their maximum at 8 bits, stay as they are and
    have no scales. Multiplying a row of a rounded weight and its scale by one factor keeps its
    integers; with the outcome go on to :func:`store`.
    """
    names = layouts(prepared.model)
    kept = _kept(options.keep_int8, names, where)
    bits = {name: 4 for name in names if options.weights != "int8" and name not in kept}
    if options.weights == "int8" and (options.chosen_scales, options.chosen_rounding) != ("max", "nearest"):
        bits = dict.fromkeys(names, options.wide_bits)
    if options.weights == "int8" and not bits:
        delicate = dict.fromkeys(prepared.form.delicate, options.wide_bits)
        return fake_quantized(prepared.model, delicate, "mse", rounding="gptq", moments=prepared.moments)
    return fake_quantized(
        prepared.model,
        bits,
        options.chosen_scales,
        rounding=options.chosen_rounding,
        moments=prepared.moments,
    )


def _kept(wanted: Iterable[str], names: Iterable[str], where: object) -> frozenset[str]:
    known = {plain_name(name): name for name in names}
    for name in wanted:
        if plain_name(name) not in known:
            raise unknown("weight", name, known, where=str(where))
    return frozenset(known[plain_name(name)] for name in wanted)


def recorded(options: QuantizeOptions) -> dict[str, Any]:
    """Return the options as a recipe step keeps them."""
    return {
        "weights": options.weights,
        "activations": "int8" if options.activation_type == QuantType.QInt8 else "uint8",
        "method": options.method,
        "scales": options.chosen_scales,
        "rounding": options.chosen_rounding,
        "keep_int8": list(options.keep_int8),
        "cpu": options.cpu,
        "reduce_range": options.reduce_range,
        "per_channel": True,
        "calibration": options.calibration,
    }


def _check(model: onnx.ModelProto, options: QuantizeOptions, where: object) -> None:
    if not prunable_initializers(model):
        raise ModelError("weights to quantize (Conv, ConvTranspose, Gemm, MatMul)", "none", where=where)
    least = _LEAST_OPSET if options.weights == "int8" else _LEAST_OPSET_INT4
    if default_opset(model) < least:
        raise ModelError(
            f"opset {least} or newer{'' if options.weights == 'int8' else ' for 4-bit weights'}",
            f"opset {default_opset(model)}",
            where=where,
            remedy="Convert it with onnx.version_converter or export it again.",
        )
    expect_finite_weights(prunable_initializers(model), where=where)


def store(
    model: onnx.ModelProto,
    found: TensorsData,
    options: QuantizeOptions,
    *,
    scales: Mapping[str, NDArray[np.floating]],
) -> onnx.ModelProto:
    """Return the QDQ form of a folded float model, with the given scales (R,) of its weights.

    ``scales`` are by weight name; a weight without gets 8 bits and ONNX Runtime's scales. Weights
    of a 4-bit model that are named have 4 bits, widened.
    """
    bits = dict.fromkeys(scales, 8 if options.weights == "int8" else 4)
    return widened(integer_form(model, found, options.integer_types, scales=scales, bits=bits))


def compress(
    model: onnx.ModelProto, options: dict[str, Any], calibration: Callable[[], Iterable[NDArray[np.float32]]] | None
) -> onnx.ModelProto:
    """Quantize as a compressor plug-in; ``max_drop`` and ``labels`` are of mixed weights, ``repair`` of int4."""
    chosen = {name: value for name, value in options.items() if name not in {"labels", "max_drop", "repair"}}
    batches = calibration or list
    if options.get("weights") == "int4" and options.get("repair") == "auto":
        from compress_onnx.compress.quantization.int4_repair import repaired_int4  # it builds on this module

        return repaired_int4(model, batches, QuantizeOptions(**chosen))
    if options.get("weights") == "mixed":
        from compress_onnx.compress.quantization.mixed import mixed_model  # it builds on this module

        drop = options.get("max_drop", MAX_DROP.default)
        given = options.get("labels")
        labels = None if given is None else np.asarray(given, dtype=np.int64)
        return mixed_model(model, batches, QuantizeOptions(**chosen), labels=labels, max_drop=drop)
    return quantize_model(model, batches(), QuantizeOptions(**chosen))
