"""A verdict's words stand in records and in exit codes."""

from __future__ import annotations

from compress_onnx.records.verdict import CheckKind, Outcome


def test_the_words_on_disk_stay_as_they_are() -> None:
    assert [*Outcome] == ["pass", "fail", "inconclusive"]
    assert [*CheckKind] == ["rule", "regression", "lock"]
