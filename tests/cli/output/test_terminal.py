"""Results go to stdout, words for people to stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    "words",
    [
        lambda shelf: ("inspect", shelf.base),
        lambda shelf: ("list",),
        lambda shelf: ("bench", shelf.base, shelf.other, "--rounds", "2", "--calls", "3"),
    ],
)
def test_tables_for_people_go_to_stdout(words: Callable[[Any], Any], cli: Any, shelf: Any) -> None:
    answer = cli(*words(shelf))
    assert answer.code == 0
    assert "┃" in answer.out
