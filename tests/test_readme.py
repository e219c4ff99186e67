from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from compress_onnx.cli.app import run

README = Path(__file__).resolve().parents[1] / "README.md"
MARKED = re.compile(r"<!-- readme-commands -->\n```console\n(.*?)```", re.DOTALL)
# Five hundred digits cannot decide a one-point rule, so the README's gate may say so.
VERDICTS = {0, 1, 3}


def marked_commands() -> list[list[str]]:
    blocks = MARKED.findall(README.read_text(encoding="utf-8"))
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_the_readme_shows_the_everyday_commands() -> None:
    shown = {words[1] for words in marked_commands()}
    assert shown >= {"export", "prune", "quantize", "inspect", "bench", "compare", "gate"}


@pytest.mark.slow
def test_the_commands_of_the_readme_work_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    for program, *arguments in marked_commands():
        assert program == "compress-onnx"
        code = run(arguments)
        judged = arguments[0] == "gate" and "--policy" in arguments
        assert code in (VERDICTS if judged else {0}), shlex.join(arguments)
    assert (tmp_path / "reports/first/report.html").stat().st_size > 1_000_000
    assert (tmp_path / "reports/first/junit.xml").exists()


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in README.read_text(encoding="utf-8")
        assert re.search(rf"^{target}: ", makefile, re.MULTILINE)
