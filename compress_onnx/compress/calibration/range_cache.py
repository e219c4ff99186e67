"""Ranges found once are kept: the same model on the same images needs no second calibration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization.calibrate import TensorData, TensorsData

from compress_onnx.cache import kept
from compress_onnx.compress.calibration.calibrate import METHODS
from compress_onnx.files import sha256_of, write_text
from compress_onnx.model import model_identity
from compress_onnx.options import cache_root

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
    if key is None:
        return find()
    return kept(
        _place(key),
        find,
        read=lambda path: _read(path, method),
        write=lambda path, ranges: write_text(path, _text(ranges, method)),
    )


def read_ranges(key: str | None, method: str) -> TensorsData | None:
    """Return the ranges kept under ``key``, ``None`` where there are none of this method."""
    return None if key is None else _read(_place(key), method)


def _place(key: str) -> Path:
    return cache_root() / "ranges" / f"{key}.json"


def _text(ranges: TensorsData, method: str) -> str:
    # A float32 is a float64 exactly, and JSON's shortest form of that reads back to the bit.
    tensors = {
        name: [str(tensor.lowest.dtype), float(tensor.lowest), float(tensor.highest)] for name, tensor in ranges.items()
    }
    return json.dumps({"method": method, "ranges": tensors}, allow_nan=False)


def _read(path: Path, method: str) -> TensorsData | None:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content["method"] != method:
            return None
        return TensorsData(METHODS[method], {name: _tensor(*entry) for name, entry in content["ranges"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _tensor(dtype: str, low: float, high: float) -> TensorData:
    if not -np.inf < low <= high < np.inf:
        message = "a broken range"
        raise ValueError(message)
    kind = _TYPES[dtype]
    return TensorData(lowest=np.asarray(low, kind), highest=np.asarray(high, kind))
