"""Python as it is where the extra ``torch`` is not installed, for this process and all that it starts.

Put this folder on ``PYTHONPATH``: the packages are then not found where all others are.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

ABSENT = frozenset({"captum", "onnxscript", "safetensors", "sklearn", "torch", "torchmetrics", "torchvision"})
_find_spec = PathFinder.find_spec


def _without(
    finder: type[PathFinder], name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
) -> ModuleSpec | None:
    del finder
    return None if name.partition(".")[0] in ABSENT else _find_spec(name, path, target)


PathFinder.find_spec = classmethod(_without)  # type: ignore[assignment]  # importlib calls it on the class
