"""Sessions of the compression steps: quiet, on as many threads as were asked for, optimized or as the graph is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.ort.failures import LOADS, runtime_failures
from compress_onnx.ort.session import quiet_options


class StepSession:
    """A model of one compression step, loaded: it runs on named inputs and gives named outputs.

    ``model`` is a file or a serialized model. ``optimized`` leaves ONNX Runtime's graph optimizations as they are by
    default; without them the graph runs as it is written: fused, an integer kernel of this CPU may saturate where the
    target's does not. ``expected`` and ``where`` are the words of the error.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model, or then run it.
    """

    def __init__(self, model: Path | bytes, *, optimized: bool = True, expected: str, where: str) -> None:
        self._expected, self._where = expected, where
        options = quiet_options(optimized=optimized)
        with runtime_failures(where, expected=expected):
            self.session = _opened(model, options, without=())

    @property
    def output_types(self) -> dict[str, str]:
        """The type of each output, as ONNX Runtime writes it (``tensor(float)``), by name."""
        return {output.name: output.type for output in self.session.get_outputs()}

    def outputs(
        self, inputs: Mapping[str, NDArray[np.floating]], names: Sequence[str] | None = None
    ) -> list[NDArray[np.float32]]:
        """Return the named outputs, all where no names are given."""
        with runtime_failures(self._where, expected=self._expected):
            return [np.asarray(values) for values in self.session.run(names and [*names], dict(inputs))]


def save_basic_form(source: Path, target: Path, *, without: Sequence[str] = ()) -> None:
    """Write what ONNX Runtime makes of a file by its basic, hardware-independent graph optimizations.

    ``without`` names optimizers that are left out.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load the model.
    """
    options = quiet_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    with runtime_failures("before folding", expected=LOADS):
        _opened(source, options, without=without)


def _opened(model: Path | bytes, options: ort.SessionOptions, *, without: Sequence[str]) -> ort.InferenceSession:
    return ort.InferenceSession(
        str(model) if isinstance(model, Path) else model,
        options,
        providers=["CPUExecutionProvider"],
        enable_fallback=0,  # the fallback prints on stdout and retries the same provider
        disabled_optimizers=[*without],
    )
