"""Optional extras: say which ``pip install`` brings what a command lacks."""

from __future__ import annotations

import importlib.util

from compress_onnx.errors import MissingExtraError

_PROBES = {
    "torch": ("torch", "torchvision", "onnxscript", "captum", "safetensors", "sklearn", "threadpoolctl"),
    "cluster": ("distributed",),
}


def require_extra(extra: str, *, command: str) -> None:
    """Raise :class:`MissingExtraError` unless the packages of ``extra`` are installed.

    ``command`` names what needs them, for the message.
    """
    missing = missing_packages(extra)
    if missing:
        raise MissingExtraError(
            f"the packages of the extra {extra!r}",
            f"no {', '.join(missing)}",
            where=command,
            remedy=f"Run: pip install 'compress-onnx[{extra}]'.",
        )


def missing_packages(extra: str) -> list[str]:
    """Return the modules of ``extra`` that cannot be found, without importing any.

    >>> "numpy" in missing_packages("torch")
    False
    """
    return [module for module in _PROBES[extra] if importlib.util.find_spec(module) is None]
