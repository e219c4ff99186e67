"""Logits found once are kept: the same file on the same images on the same CPU answers the same."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from compress_onnx.cache import kept, trim
from compress_onnx.errors import OutputError
from compress_onnx.files import BROKEN_ARCHIVE, sha256_of, write_text, written_whole
from compress_onnx.options import cache_root
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
    if key is None:
        return find()
    return kept(
        _folder() / f"{key}.npz",
        find,
        read=lambda path: _read(path, n),
        write=lambda path, logits: _write(path, logits, limit_bytes),
    )


def cached_check(key: str | None, find: Callable[[], BatchIndependence]) -> BatchIndependence:
    """Return the check kept under ``key``, else the one that ``find`` makes, and keep it; see :func:`cached_logits`."""
    if key is None:
        return find()
    return kept(_folder() / f"{key}.json", find, read=_read_check, write=_write_check)


def _folder() -> Path:
    return cache_root() / "predictions"


def _write_check(path: Path, check: BatchIndependence) -> None:
    with contextlib.suppress(OutputError):
        write_text(path, json.dumps(dataclasses.asdict(check), allow_nan=False))


def _read_check(path: Path) -> BatchIndependence | None:
    try:
        return TypeAdapter(BatchIndependence).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, logits: Logits, limit_bytes: int) -> None:
    with contextlib.suppress(OutputError), written_whole(path) as part, part.open("wb") as stream:
        # Not compressed: logits hardly shrink. The archive's checksum is what tells a broken file.
        np.savez(stream, allow_pickle=False, logits=logits)
    trim(path.parent, limit_bytes=limit_bytes)


def _read(path: Path, n: int) -> Logits | None:
    try:
        # numpy leaves a broken file open if it opened it itself.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            logits = archive[_MEMBER]
    except BROKEN_ARCHIVE:
        return None
    sound = isinstance(logits, np.ndarray) and logits.dtype == np.float32 and logits.ndim == 2 and len(logits) == n
    return logits if sound and np.isfinite(logits).all() else None
