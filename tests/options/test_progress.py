"""Progress that nobody watches."""

from __future__ import annotations

import pytest

from compress_onnx import options


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    options.silent(0.5, "half")
    options.silent_stages("stage")(1.0, "done")
    assert capsys.readouterr() == ("", "")
