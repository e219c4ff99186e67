"""Which weights the user keeps out of pruning: patterns on initializer names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from compress_onnx.errors import OptionError

# A name as a shell sees it would look like a wrong pattern's near names.
_WILD = str.maketrans("", "", "*?[]")


def excluded(names: Iterable[str], patterns: Sequence[str]) -> frozenset[str]:
    """Return the names that a pattern matches, in the manner of a shell (``*``, ``?``, ``[…]``), case-sensitive.

    >>> sorted(excluded(["conv1.weight", "conv2.weight", "fc.weight"], ["conv*"]))
    ['conv1.weight', 'conv2.weight']

    Errors
    ------
    OptionError
        if a pattern matches no name; near names come first, then all names.
    """
    known = list(names)
    found: set[str] = set()
    for pattern in patterns:
        hits = [name for name in known if fnmatchcase(name, pattern)]
        if not hits:
            raise _no_match(pattern, known)
        found.update(hits)
    return frozenset(found)


def _no_match(pattern: str, known: Sequence[str]) -> OptionError:
    near = difflib.get_close_matches(pattern.translate(_WILD), known, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return OptionError(
        "a pattern that matches a weight's name",
        repr(pattern),
        where="--exclude",
        remedy=f"{hint}Weights: {', '.join(known) or 'none'}.",
    )
