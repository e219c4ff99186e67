"""Where data sets, checkpoints, manifests and what is kept for the next time are looked up."""

from __future__ import annotations

import os
from pathlib import Path


def data_root() -> Path:
    """Return the folder of the named data sets: ``$COMPRESS_ONNX_DATA``, else the user's cache."""
    chosen = os.environ.get("COMPRESS_ONNX_DATA")
    return Path(chosen).expanduser() if chosen else cache_root() / "data"


def lookup_folders(name: str) -> tuple[Path, ...]:
    """Return where ``models`` or ``calibration`` are looked up, first to last.

    The working directory's, the checkout's, and what the wheel brings for the demo.
    """
    package = Path(__file__).resolve().parents[1]
    return Path(name), package.parent / name, package / "share" / name


def cache_root() -> Path:
    """Return the user's cache folder for this tool (``$XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "compress-onnx"
