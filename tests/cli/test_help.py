"""Help texts, their examples, and how little is imported to show them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
import typer

from compress_onnx.cli.app import app

COMMANDS = (
    "demo train export prune quantize compare bench inspect gate check study report list".split()  # noqa: SIM905  # read as the design writes it
)
HEAVY = ("torch", "torchvision", "onnx", "onnxruntime", "scipy", "pyarrow", "plotly", "sklearn", "PIL")


def _words(text: str) -> str:
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_every_command_is_listed_and_no_other(cli: Any) -> None:
    answer = cli("--help")
    assert answer.code == 0
    assert re.findall(r"^│ ([a-z]+)  ", answer.out, flags=re.MULTILINE) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, cli: Any) -> None:
    answer = cli(command, "--help")
    assert answer.code == 0
    assert answer.err == ""
    assert f"Example: compress-onnx {command}" in _words(answer.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_argument_and_option_is_explained(command: str) -> None:
    for parameter in typer.main.get_command(app).commands[command].params:  # type: ignore[attr-defined]  # a group
        assert parameter.help, parameter.name  # type: ignore[attr-defined]  # all of typer's parameters have it


def test_the_exit_codes_stand_in_the_help(cli: Any) -> None:
    assert "0 done or passed, 1 gate failed, 2 the user can fix it, 3 inconclusive, 70 a bug" in _words(cli("-h").out)


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import json, sys
from compress_onnx.cli.app import run
for words in [["--help"], *[[name, "--help"] for name in {COMMANDS}]]:
    assert run(words) == 0
print(json.dumps([name for name in {HEAVY} if name in sys.modules]), file=sys.stderr)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stderr) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str) -> None:
    answer = _completion(shell, f"source_{shell}")
    assert answer.returncode == 0
    assert answer.stderr == ""
    assert "_COMPRESS_ONNX_COMPLETE" in answer.stdout
    assert "compress-onnx" in answer.stdout


def test_completion_completes_commands() -> None:
    answer = _completion("bash", "complete_bash", COMP_WORDS="compress-onnx qu", COMP_CWORD="1")
    assert answer.stdout.split() == ["quantize"]


def _completion(shell: str, what: str, **more: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; sys.argv[0] = 'compress-onnx'; from compress_onnx.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SHELL": f"/bin/{shell}", "_COMPRESS_ONNX_COMPLETE": what, **more},
    )
