"""The five doors by which plug-ins, and the built-ins, enter: entry-point groups.

======================== =====================================================================
group                    the entry point names
======================== =====================================================================
compress_onnx.datasets   ``load(split: str, root: Path) -> compress_onnx.data.ImageSet``
compress_onnx.compressors  ``compress(model, options, calibration) -> model``, see
                         :class:`Compressor`
compress_onnx.metrics    ``measure(pair) -> Measure``, see :class:`Metric`
compress_onnx.attributions  ``attribute(module, inputs, targets) -> maps``, see
                         :class:`Attribution`
compress_onnx.executors  ``open(address, workers) -> concurrent.futures.Executor``, see
                         :class:`ExecutorMaker`
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
    from concurrent.futures import Executor

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


class ExecutorMaker(Protocol):
    """Open what runs a study's cells: any :class:`concurrent.futures.Executor`.

    ``address`` says where (empty: here) and ``workers`` how many (``None``: as many as there are). What is submitted is
    a function of this package with picklable arguments; the workers need the package and the data. A plug-in is a few
    lines, here for MPI::

        from mpi4py.futures import MPIPoolExecutor

        def open_mpi(address, workers, /):
            return MPIPoolExecutor(max_workers=workers)

    named in its package as ``[project.entry-points."compress_onnx.executors"]``, ``mpi = "my_module:open_mpi"``, and
    used by ``compress-onnx study paper --executor mpi``. A worker that dies is met by ``BrokenExecutor`` or by the
    executor itself; a task that fails says so in what it returns, and never raises.

    An executor may have more than the base class:

    - ``shares_files`` (bool, else false): its workers see this machine's files under the same paths.
    - ``slots`` (int or ``None``): how many cells to submit at a time, else all.
    - ``threads_for(cells)`` (int): on how many threads each of so many cells predicts, else 1.
    - ``timing()``: a context manager that yields the executor on which files are timed, ``slots`` at a
      time; else the same one times, one cell's files after the other's.
    - ``expect_timing()``: raises an :class:`~compress_onnx.errors.OptionError` if nothing there may time.
    - ``unfit`` (dict of str): workers left out from the beginning, and why.
    - ``exclude(worker, reason)`` (bool): gives a worker that lacks the data or has other packages nothing
      more, and tells whether another is left.
    """

    def __call__(self, address: str, workers: int | None, /) -> Executor: ...  # noqa: D102


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


@functools.cache
def executors() -> Registry[ExecutorMaker]:
    """Ways to run a study's cells."""
    return _registry("executor", "compress_onnx.executors")


def attribution(method_name: str) -> Attribution:
    """Return the saliency method of a name, or of a name and a layer as ``grad-cam:/features/Conv``.

    Errors
    ------
    UnknownNameError
        if there is no method of this name.
    OptionError
        if a layer is given to a method that looks at none.
    """
    name, separator, layer = method_name.partition(":")
    method = attributions()[name]
    if not separator:
        return method
    at: Callable[[str], Attribution] | None = getattr(method, "at", None)
    if at is None or not layer:
        got = f"{method_name!r}, and {name} looks at no single layer" if at is None else f"{method_name!r}"
        raise OptionError("METHOD, or METHOD:LAYER for a method that looks at one layer", got)
    return at(layer)
