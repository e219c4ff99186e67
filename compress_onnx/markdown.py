"""Text inside Markdown: what came from outside is shown as it is."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

# Letters with which a class's or file's name could start markup, a link, a mention or a cell.
_MARKUP = re.compile(r"([\\`*_|~]|(?<=\])\()")


def escaped(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line, without calling anybody.

    >>> escaped("<c> @team")
    '&lt;c&gt; &#64;team'
    """
    plain = html.escape(" ".join(text.split()), quote=False)
    return _MARKUP.sub(r"\\\1", plain).replace("@", "&#64;").replace("://", ":&#47;/")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a table of plain texts, each escaped.

    >>> print(table(["name", "n"], [["a|b", "1"]]))
    | name | n |
    |---|---|
    | a\|b | 1 |
    """
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"
