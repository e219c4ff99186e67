"""Ranges found once are kept: the same model on the same images needs no second calibration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization.calibrate import TensorData, TensorsData

from compress_onnx.cache import Cache
from compress_onnx.compress.calibration.calibrate import METHODS
from compress_onnx.files import sha256_of
from compress_onnx.model import model_identity

# Grows when the same images would give other ranges than before.
_VERSION = 1
_TYPES = {"float16": np.float16, "float32": np.float32}


def range_key(model: Path, data: str, *, method: str) -> str:
    """Return the name under which the ranges of a folded model file are kept.

    ``data`` says which images, in which form: the manifest's hash and the preprocessing.
    """
    words = (model_identity(model), data, method, ort.__version__, str(_VERSION))
    return sha256_of(json.dumps(words).encode())


def kept_ranges(key: str | None, find: Callable[[], TensorsData], *, method: str) -> TensorsData:
    """Return the ranges kept under ``key``, else those that ``find`` finds, and keep them.

    Without a key nothing is read or kept. A file that cannot be read or does not hold finite ranges
    of this method is written anew.

    Errors
    ------
    OutputError
        if the cache's folder cannot be written.
    """
    return _RANGES.find_or_make(key, find, sound=lambda ranges: ranges.calibration_method == METHODS[method])


def read_ranges(key: str | None, method: str) -> TensorsData | None:
    """Return the ranges kept under ``key``, ``None`` where there are none of this method."""
    return _RANGES.find(key, sound=lambda ranges: ranges.calibration_method == METHODS[method])


def _write(ranges: TensorsData, stream: BinaryIO) -> None:
    # A float32 is a float64 exactly, and JSON's shortest form of that reads back to the bit.
    tensors = {
        name: [str(tensor.lowest.dtype), float(tensor.lowest), float(tensor.highest)] for name, tensor in ranges.items()
    }
    (method,) = (name for name, kind in METHODS.items() if kind == ranges.calibration_method)
    stream.write(json.dumps({"method": method, "ranges": tensors}, allow_nan=False).encode())


def _read(stream: BinaryIO) -> TensorsData:
    content: Any = json.loads(stream.read())
    tensors = {name: _tensor(*entry) for name, entry in content["ranges"].items()}
    return TensorsData(METHODS[content["method"]], tensors)


def _tensor(dtype: str, low: float, high: float) -> TensorData:
    if not -np.inf < low <= high < np.inf:
        message = "a broken range"
        raise ValueError(message)
    kind = _TYPES[dtype]
    return TensorData(lowest=np.asarray(low, kind), highest=np.asarray(high, kind))


_RANGES = Cache(folder="ranges", suffix=".json", read=_read, write=_write, must_write=True)
