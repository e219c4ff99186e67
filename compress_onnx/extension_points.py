"""The four doors by which plug-ins, and the built-ins, enter: entry-point groups.

======================== =====================================================================
group                    the entry point names
======================== =====================================================================
compress_onnx.datasets   ``load(split: str, root: Path) -> compress_onnx.data.ImageSet``
compress_onnx.compressors  ``compress(model, options, calibration) -> model``, see
                         :class:`Compressor`
compress_onnx.metrics    ``measure(pair) -> Measure``, see :class:`Metric`
compress_onnx.attributions  ``attribute(module, inputs, targets) -> maps``, see
                         :class:`Attribution`
======================== =====================================================================
"""

from __future__ import annotations

import functools
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from compress_onnx.errors import OptionError, PluginError
from compress_onnx.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from compress_onnx.records import Measure


class PredictionPair(Protocol):
    """What a metric sees: both models' logits on the same samples.

    ``labels`` (N,) int64 or ``None``; ``baseline`` and ``candidate`` logits (N, C) float32;
    ``class_names`` (C,).
    """

    @property
    def labels(self) -> NDArray[np.int64] | None: ...  # noqa: D102
    @property
    def baseline(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def candidate(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def class_names(self) -> tuple[str, ...]: ...  # noqa: D102


class Metric(Protocol):
    """Measure one thing about a candidate; the result is kept in ``Comparison.extra``."""

    def __call__(self, pair: PredictionPair, /) -> Measure: ...  # noqa: D102


class DatasetLoader(Protocol):
    """Load one split of a named data set found under (or stored into) ``root``."""

    def __call__(self, split: str, root: Path, /) -> Any: ...  # noqa: D102


class Attribution(Protocol):
    """Attribute the target logits of a torch module to its inputs.

    ``inputs`` (N, C, H, W) float32 tensor, ``targets`` (N,) int64 tensor; returns a tensor of the
    inputs' shape, or maps (N, h, w) of any size, which are then scaled up to the picture. Random
    numbers come from torch's own generator, which is seeded before every call.

    A method with a true ``on_session`` is given a module that runs the ONNX file itself and has no
    gradient. A method that looks at one layer has ``at(layer)``, which returns the method for the
    layer of that name; see :func:`attribution`.
    """

    def __call__(self, module: Any, inputs: Any, targets: Any, /) -> Any: ...  # noqa: D102


class Compressor(Protocol):
    """Turn an ``onnx.ModelProto`` into a smaller one without changing the argument.

    ``options`` are the step's resolved options; ``calibration`` yields input batches (B, C, H, W)
    float32, or is ``None`` where no data was given.
    """

    def __call__(  # noqa: D102
        self, model: Any, options: Any, calibration: Callable[[], Any] | None, /
    ) -> Any: ...


def _load(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # a plug-in may raise anything while it is imported
        raise PluginError(
            f"plug-in {entry.name!r} to load",
            f"{type(error).__name__}: {error}",
            where=entry.value,
            remedy="Repair or uninstall the package that brings it.",
        ) from error


def _registry(kind: str, group: str) -> Registry[Any]:
    registry = Registry[Any](kind)
    for entry in entry_points(group=group):
        registry.add(entry.name, functools.partial(_load, entry))
    return registry


@functools.cache
def datasets() -> Registry[DatasetLoader]:
    """Named data sets."""
    return _registry("data set", "compress_onnx.datasets")


@functools.cache
def compressors() -> Registry[Compressor]:
    """Compression steps."""
    return _registry("compressor", "compress_onnx.compressors")


@functools.cache
def metrics() -> Registry[Metric]:
    """Measures computed for every candidate beside the built-in record fields."""
    return _registry("metric", "compress_onnx.metrics")


@functools.cache
def attributions() -> Registry[Attribution]:
    """Saliency methods."""
    return _registry("attribution method", "compress_onnx.attributions")


def attribution(wanted: str) -> Attribution:
    """Return the saliency method of a name, or of a name and a layer as ``grad-cam:/features/Conv``.

    Errors
    ------
    UnknownNameError
        if there is no method of this name.
    OptionError
        if a layer is given to a method that looks at none.
    """
    name, separator, layer = wanted.partition(":")
    method = attributions()[name]
    if not separator:
        return method
    at: Callable[[str], Attribution] | None = getattr(method, "at", None)
    if at is None or not layer:
        got = f"{wanted!r}, and {name} looks at no single layer" if at is None else f"{wanted!r}"
        raise OptionError("METHOD, or METHOD:LAYER for a method that looks at one layer", got)
    return at(layer)
