"""What may be pruned: float models, without the weights that the user keeps out by patterns on their names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import onnx

from compress_onnx.errors import ModelError, OptionError
from compress_onnx.model import is_quantized

# A name as a shell sees it would look like a wrong pattern's near names.
_WILD = str.maketrans("", "", "*?[]")


def expect_float(model: onnx.ModelProto, *, where: object) -> None:
    """Raise :class:`ModelError` where a model is quantized already."""
    if is_quantized(model):
        raise ModelError(
            "a float model to prune", "a quantized one", where=where, remedy="Prune first, then quantize the result."
        )


def excluded(names: Iterable[str], patterns: Sequence[str]) -> frozenset[str]:
    """Return the names that a pattern matches, in the manner of a shell (``*``, ``?``, ``[…]``), case-sensitive.

    >>> sorted(excluded(["conv1.weight", "conv2.weight", "fc.weight"], ["conv*"]))
    ['conv1.weight', 'conv2.weight']

    Errors
    ------
    OptionError
        if a pattern matches no name; near names come first, then all names.
    """
    every = list(names)
    hits = {pattern: [name for name in every if fnmatchcase(name, pattern)] for pattern in patterns}
    for pattern, matched in hits.items():
        if not matched:
            raise _no_match(pattern, every)
    return frozenset(name for matched in hits.values() for name in matched)


def _no_match(pattern: str, names: Sequence[str]) -> OptionError:
    near = difflib.get_close_matches(pattern.translate(_WILD), names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return OptionError(
        "a pattern that matches a weight's name",
        repr(pattern),
        where="--exclude",
        remedy=f"{hint}Weights: {', '.join(names) or 'none'}.",
    )
