"""What a run is held against, read from flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compress_onnx.cli.arguments.judging import JudgingFlags, renamed
from compress_onnx.errors import OptionError


def test_criteria_hold_what_was_given(policy: Any) -> None:
    rules = policy('[[rule]]\nmetric = "flips.rate"\nat_most = 1.0\n')
    criteria = JudgingFlags(against=Path("a"), lock=Path("l"), candidate=["new=old"]).criteria(rules)
    assert (criteria.against, criteria.lock, criteria.renamed) == (Path("a"), Path("l"), {"new": "old"})
    assert criteria.policy is not None
    assert JudgingFlags().criteria(None).policy is None


def test_pairs_are_new_and_old_names() -> None:
    assert renamed(["a=b", "c=d=e"]) == {"a": "b", "c": "d=e"}
    assert renamed(None) == {}


@pytest.mark.parametrize("pair", ["", "a", "a=", "=b"])
def test_a_pair_has_two_names(pair: str) -> None:
    with pytest.raises(OptionError, match="--candidate as NEW=OLD"):
        renamed([pair])
