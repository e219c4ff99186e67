"""Logits found once are kept: the same file on the same images on the same CPU answers the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import TypeAdapter

from compress_onnx.cache import Cache
from compress_onnx.files import sha256_of
from compress_onnx.records import BatchIndependence
from compress_onnx.runtime.cpu import cpu_features, cpu_label

Logits = NDArray[np.float32]

# Grows when the same file and images would give other logits than before, or what was kept is not to be believed:
# up to 1, nobody had checked whether the images of a call change each other's answers.
_VERSION = 2
# A million images of 100 classes, or a thousand runs on CIFAR-10.
LIMIT_BYTES = 512 * 2**20
_MEMBER = "logits"


def prediction_key(artifact_sha256: str, dataset_sha256: str, form: str, how: str = "") -> str:
    """Return the name under which logits are kept.

    ``form`` says how pictures become inputs: the preprocessing and what decodes and resizes them; ``how`` how
    the model was asked, as far as that changes answers.
    ONNX Runtime's version and this CPU are part of the name, since both change last bits.
    """
    here = (ort.__version__, np.__version__, cpu_label(), *cpu_features())
    return sha256_of(json.dumps([artifact_sha256, dataset_sha256, form, how, *here, _VERSION]).encode())


def cached_logits(key: str | None, find: Callable[[], Logits], *, n: int, limit_bytes: int = LIMIT_BYTES) -> Logits:
    """Return the (``n``, C) logits kept under ``key``, else those that ``find`` finds, and keep them.

    Without a key nothing is read or kept. A broken file is as good as none, a cache that cannot be
    written is done without. The files used longest ago go when all take more than ``limit_bytes``.
    """
    cache = dataclasses.replace(_LOGITS, limit_bytes=limit_bytes)
    return cache.find_or_make(key, find, sound=lambda logits: _are_logits(logits, n))


def cached_check(key: str | None, find: Callable[[], BatchIndependence]) -> BatchIndependence:
    """Return the check kept under ``key``, else the one that ``find`` makes, and keep it; see :func:`cached_logits`."""
    return _CHECKS.find_or_make(key, find)


def _read(stream: BinaryIO) -> Logits:
    with np.load(stream, allow_pickle=False) as archive:
        logits: Logits = archive[_MEMBER]
        return logits


def _write(logits: Logits, stream: BinaryIO) -> None:
    # Not compressed: logits hardly shrink. The archive's checksum is what tells a broken file.
    np.savez(stream, allow_pickle=False, logits=logits)


def _are_logits(logits: object, n: int) -> bool:
    if not isinstance(logits, np.ndarray) or logits.dtype != np.float32 or logits.ndim != 2 or len(logits) != n:
        return False
    return bool(np.isfinite(logits).all())


def _read_check(stream: BinaryIO) -> BatchIndependence:
    return TypeAdapter(BatchIndependence).validate_json(stream.read())


def _write_check(check: BatchIndependence, stream: BinaryIO) -> None:
    stream.write(json.dumps(dataclasses.asdict(check), allow_nan=False).encode())


_LOGITS = Cache(folder="predictions", suffix=".npz", read=_read, write=_write, limit_bytes=LIMIT_BYTES)
_CHECKS = Cache(folder="predictions", suffix=".json", read=_read_check, write=_write_check)
