"""Where the numbers come from."""

from __future__ import annotations

from typing import Any

from compress_onnx.report.pages.run import render
from compress_onnx.report.sections.origin import command


def test_command_is_quoted_for_a_shell(run: Any) -> None:
    assert command(run.record()).startswith("compress-onnx compare 'base line.onnx'")


def test_how_predictions_were_made_is_told(run: Any) -> None:
    page = render(run.input())
    assert "How the predictions were made" in page
    assert "found in the cache" in page
    assert "How the predictions were made" not in render(run.input(predicted=()))
