"""``report``: pages made again from records."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_a_report_is_made_again_from_its_folder(cli: Any, finished: Path) -> None:
    (finished / "report.html").unlink()
    answer = cli("report", finished)
    assert (answer.code, answer.out) == (0, f"{finished}/report.html\n")
    assert (finished / "report.html").stat().st_size > 1_000_000
