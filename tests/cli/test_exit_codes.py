"""Exit codes: each number once, and one for every outcome of a gate."""

from __future__ import annotations

import pytest

from compress_onnx.cli import exit_codes
from compress_onnx.records import Outcome, Verdict


def test_each_code_means_one_thing() -> None:
    codes = [value for name, value in vars(exit_codes).items() if name.isupper() and type(value) is int]
    assert len(set(codes)) == len(codes) == 7


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.PASS, 0), (Outcome.FAIL, 1), (Outcome.INCONCLUSIVE, 3)])
def test_every_outcome_has_its_code(outcome: Outcome, code: int) -> None:
    assert exit_codes.code_of(Verdict(outcome=outcome, policy_sha256="", checks=())) == code
    assert f"{code} " in exit_codes.in_words()
