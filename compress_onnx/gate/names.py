"""Dotted names of measures: how a class's own name stands in them, and what a policy meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable

from compress_onnx.errors import UnknownNameError

# Names that derived measures take below ``classes``.
RESERVED = frozenset({"worst"})
# How measures were spelled before record schema 3.
_NOW = {"centre_shift": "center_shift"}
_FORMER = re.compile("|".join(_NOW))
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def segment(name: str) -> str:
    """Return a class's or plug-in's name as one segment of a dotted name, in quotes where it must be.

    Quotes, in TOML's and JSON's way, are put around names that hold a dot or a quote, begin or end
    with a space, are empty, or are taken by a derived measure.

    >>> segment("speed limit 20"), segment("no. 7"), segment("worst")
    ('speed limit 20', '"no. 7"', '"worst"')
    """
    bare = name == name.strip() and name not in RESERVED | {""} and not set(name) & set('."\\')
    return name if bare else json.dumps(name, ensure_ascii=False)


def unquoted(name: str) -> str:
    """Return a dotted name without the quotes around its segments.

    >>> unquoted('classes."no. 7".change')
    'classes.no. 7.change'
    """
    return _QUOTED.sub(lambda match: _text(match.group()), name)


def _text(quoted: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        return quoted


def resolved(written: str, measured: Iterable[str]) -> str:
    """Return the measured name that a rule means by what is written: letter for letter, else the only one alike but for quotes.

    Policies of the time before record schema 3 may name measures as they were spelled then.

    Errors
    ------
    UnknownNameError
        if there is none, or more than one; near names are in the sentence.

    >>> resolved("classes.no. 7.change", ['classes."no. 7".change', "flips.rate"])
    'classes."no. 7".change'
    >>> resolved("saliency.over_all.centre_shift", ["saliency.over_all.center_shift"])
    'saliency.over_all.center_shift'
    """
    names = list(measured)
    written = written if written in names else _FORMER.sub(lambda match: _NOW[match.group()], written)
    if written in names:
        return written
    alike = [name for name in names if unquoted(name) == unquoted(written)]
    if len(alike) == 1:
        return alike[0]
    near = alike or difflib.get_close_matches(written.lower(), names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownNameError(
        "a measure of this run",
        repr(written),
        where="policy",
        remedy=f"{hint}All {len(names)} names: compress-onnx gate RUN --list.",
    )
