"""Text from outside stays text in Markdown, and tables keep their columns."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.markdown import escaped, table

# Letters that mean something to Markdown, far more often than chance would give them.
texts = st.text(alphabet="ab@<>&:/|`*_~\\[]( \n") | st.text()


@given(texts)
def test_a_text_is_one_line_without_markup_mention_or_link(text: str) -> None:
    shown = escaped(text)
    assert shown == " ".join(shown.split())
    assert "@" not in shown
    assert "<" not in shown
    assert "://" not in shown
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_|~]", shown)


@given(texts)
def test_what_markdown_shows_is_the_text(text: str) -> None:
    unescaped = re.sub(r"\\([\\`*_|~(])", r"\1", escaped(text))
    assert html.unescape(unescaped) == html.unescape(html.escape(" ".join(text.split()), quote=False))


@given(st.lists(st.lists(texts, min_size=2, max_size=2), max_size=4))
def test_every_row_has_as_many_cells_as_the_head(rows: list[list[str]]) -> None:
    lines = table(["a|b", "c"], rows).split("\n")
    assert len(lines) == 2 + len(rows)
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {3}
