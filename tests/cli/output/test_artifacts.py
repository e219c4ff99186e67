"""What is said of a file that was made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compress_onnx.cli.output.artifacts import kilobytes, made
from compress_onnx.files import sha256_of_file
from compress_onnx.model.model import Model


def test_people_read_one_line_and_scripts_the_record(shelf: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made(Model.of(shelf.base), shelf.base, as_json=False)
    assert capsys.readouterr().out.startswith(f"{shelf.base}: fp32, 0.0% of 876 weights are zero, ")
    made(Model.of(shelf.base), shelf.base, as_json=True)
    assert json.loads(capsys.readouterr().out)["sha256"] == sha256_of_file(shelf.base)


@pytest.mark.parametrize(
    ("count", "says"), [(0, "0.0 kB"), (999_949, "999.9 kB"), (1_000_000, "1.00 MB"), (44_700_000, "44.70 MB")]
)
def test_bytes_are_said_in_decimal_units(count: int, says: str) -> None:
    assert kilobytes(count) == says
