"""Mixed widths: 4-bit weights everywhere but in the layers whose outputs cannot bear it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compress_onnx.compress.calibration import fitting
from compress_onnx.compress.layers import plain_name, weight_values, with_weights
from compress_onnx.compress.quantization.fake_quantization import approximated
from compress_onnx.compress.quantization.integer_form import stored_form
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.preparation import Prepared, expect_faithful, prepare
from compress_onnx.errors import DataError
from compress_onnx.metrics import kullback_leibler_of, log_probabilities, output_kinds, predicted
from compress_onnx.model import descended, left_float, model_bytes, signature_of
from compress_onnx.options import MAX_DROP
from compress_onnx.ort import StepSession

Batches = Iterable[NDArray[np.float32]]
Labels = NDArray[np.int64]

# One session per layer runs these; the order of LeNet-5's and ResNet-18's layers is settled by then.
SENSITIVITY_IMAGES = 64
_RUNS = "a model that runs on the calibration images"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What a layer's 4 bits do to the model's output and save on disk.

    ``divergence`` is the mean Kullback-Leibler divergence (nats) of the float model's class
    probabilities from those with only this layer at 4 bits.
    """

    name: str
    divergence: float
    saved_bytes: int

    @property
    def per_byte(self) -> float:
        """Return the divergence that a byte saved here costs, in nats."""
        return self.divergence / self.saved_bytes

    def __str__(self) -> str:
        return f"{plain_name(self.name)}: alone at 4 bits it moves the output by {self.divergence:.3g} nats for {self.saved_bytes} bytes"


def mixed_model(
    model: onnx.ModelProto,
    calibration: Callable[[], Batches],
    options: QuantizeOptions,
    *,
    labels: Labels | None = None,
    max_drop: float = MAX_DROP.default,
) -> onnx.ModelProto:
    """Return a QDQ copy with as many 4-bit layers as lose at most ``max_drop`` on the calibration images; ``model`` stays.

    Layers return to 8 bits one by one, those first whose 4 bits move the output most for the bytes
    they save, until the loss is within bounds or none is left. The loss is that of accuracy where
    ``labels`` (N,) of the calibration images are given, else the share of predictions that differ
    from the float model's, which no loss of accuracy exceeds. The recipe says which layers stayed
    and why, the loss, and whether it is within bounds: 8-bit activations alone may exceed them.

    ``calibration`` gives the same batches (B, C, H, W) float32 at every call. ``options.keep_int8``
    stay at 8 bits in any case.

    Errors
    ------
    ModelError, DataError, OptionError
        as of :func:`~compress_onnx.compress.quantization.quantize.quantize_model`; also where the labels are not as many as the images.
    """
    MAX_DROP.check(max_drop)
    options = dataclasses.replace(options, weights="mixed")
    prepared = prepare(model, calibration(), options)
    rounded, scales = approximated(prepared, options)
    loss = _Loss(prepared.model, calibration, labels)
    order = _ranked(prepared.model, rounded, calibration, tuple(scales))
    for count in range(len(order) + 1):
        wide = [layer.name for layer in order[:count]]
        quantized = _stored(prepared, rounded, scales, wide=wide, options=options)
        drop = loss.of(quantized)
        if drop <= max_drop:
            break
    expect_faithful(quantized, prepared, options)
    chosen = dataclasses.replace(options, keep_int8=(*options.keep_int8, *map(plain_name, wide)))
    facts = _facts(order[:count], drop, max_drop, labels) | left_float(quantized, where="")
    return descended(quantized, model, "quantize", chosen.recorded | facts)


def _facts(stayed: tuple[Sensitivity, ...], drop: float, max_drop: float, labels: Labels | None) -> dict[str, Any]:
    return {
        "max_drop": max_drop,
        "drop": drop,
        "drop_of": "predictions" if labels is None else "accuracy",
        "within_max_drop": drop <= max_drop,
        "stayed_int8": [str(layer) for layer in stayed],
    }


def _stored(
    prepared: Prepared,
    rounded: onnx.ModelProto,
    scales: dict[str, NDArray[np.float32]],
    *,
    wide: list[str],
    options: QuantizeOptions,
) -> onnx.ModelProto:
    """Return the QDQ form with the weights named ``wide`` at 8 bits, the others at 4."""
    values = weight_values(prepared.model)
    restored = with_weights(rounded, {name: values[name] for name in wide})
    narrow = {name: rows for name, rows in scales.items() if name not in wide}
    return stored_form(restored, prepared.ranges, options, scales=narrow)


def sensitivities(
    model: onnx.ModelProto, rounded: onnx.ModelProto, images: Batches, names: Iterable[str]
) -> tuple[Sensitivity, ...]:
    """Return for each named weight what the output suffers when only that weight is the ``rounded`` model's.

    Judged by the output because the weights' own errors rank layers badly. ``images`` are gone
    through once per name and must bear it.
    """
    base, values, originals = outputs(model, images), weight_values(rounded), weight_values(model)
    return tuple(
        Sensitivity(
            name=name,
            divergence=divergence(base, outputs(with_weights(model, {name: values[name]}), images)),
            saved_bytes=originals[name].size - (originals[name].size + 1) // 2,
        )
        for name in names
    )


def _ranked(
    model: onnx.ModelProto, rounded: onnx.ModelProto, calibration: Callable[[], Batches], names: tuple[str, ...]
) -> tuple[Sensitivity, ...]:
    """Return the layers worth 8 bits first; of equals the earlier."""
    images = [*_first(calibration(), SENSITIVITY_IMAGES)]
    return tuple(sorted(sensitivities(model, rounded, images, names), key=lambda layer: -layer.per_byte))


def _first(batches: Batches, count: int) -> Iterator[NDArray[np.float32]]:
    left = count
    for batch in batches:
        yield batch[:left]
        left -= len(batch[:left])
        if not left:
            return


def divergence(baseline: NDArray[np.floating], candidate: NDArray[np.floating]) -> float:
    """Return the mean Kullback-Leibler divergence in nats between outputs (N, C), logits or probabilities.

    >>> divergence(np.array([[3.0, 1.0]]), np.array([[4.0, 2.0]]))
    0.0
    """
    kind_p, kind_q = output_kinds(baseline, candidate)
    values = kullback_leibler_of(log_probabilities(baseline, kind_p), log_probabilities(candidate, kind_q))
    return float(values.mean())


class _Loss:
    """How much worse than the float model a candidate is on the calibration images."""

    def __init__(self, model: onnx.ModelProto, calibration: Callable[[], Batches], labels: Labels | None) -> None:
        self._calibration, self._labels = calibration, labels
        self._n = sum(len(batch) for batch in calibration())
        if labels is not None and len(labels) != self._n:
            raise DataError(f"{self._n} labels, one per calibration image", f"{len(labels)}")
        self._base = self._predictions(model)

    def of(self, candidate: onnx.ModelProto) -> float:
        predictions = self._predictions(candidate)
        if self._labels is None:
            return float((predictions != self._base).mean())
        return float((self._base == self._labels).mean() - (predictions == self._labels).mean())

    def _predictions(self, model: onnx.ModelProto) -> NDArray[np.int64]:
        # A fixed batch's last chunk is filled up behind the last image.
        return predicted(outputs(model, self._calibration()))[: self._n]


def outputs(model: onnx.ModelProto, batches: Batches) -> NDArray[np.float32]:
    """Return what the model gives (N, C) for all batches, as ONNX Runtime runs it optimized."""
    expected = signature_of(model)
    session = StepSession(
        model_bytes(model), expected="a model that runs on the calibration images", where="calibration"
    )
    chunks = fitting(batches, expected)
    return np.concatenate(
        [session.outputs({expected.input_name: chunk}, [expected.output_name])[0] for chunk in chunks]
    )
