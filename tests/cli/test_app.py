"""The program as a process: version, streams, exit codes and the words a run records."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from compress_onnx import __version__
from compress_onnx.cli import exit_codes
from compress_onnx.store import load_run


def _tool(words: Sequence[object], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "compress_onnx", *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **environment},
    )


def test_the_version_is_the_packages(cli: Any) -> None:
    assert (cli("--version").code, cli("--version").out) == (0, f"compress-onnx {__version__}\n")


def test_without_a_command_the_help_is_shown(cli: Any) -> None:
    answer = cli()
    assert answer.code == 2
    assert "Usage: compress-onnx" in answer.out + answer.err


def test_a_run_records_the_words_that_made_it(compared: Path, shelf: Any) -> None:
    words = load_run(compared).command
    assert words[:4] == ("compress-onnx", "compare", str(shelf.base), str(shelf.other))
    assert words[-6:] == ("--saliency", "none", "--rounds", "2", "--calls", "3")


def test_the_module_runs_like_the_script() -> None:
    answer = _tool(["--version"])
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"compress-onnx {__version__}\n", "")


def test_a_process_ends_with_the_same_codes_and_streams(tmp_path: Path) -> None:
    answer = _tool(["inspect", tmp_path / "no.onnx", "--json"])
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("compress-onnx: Expected an ONNX file, got no file (")
    assert answer.stderr.count("\n") == 1


def test_a_terminal_without_the_letters_gets_question_marks(tmp_path: Path) -> None:
    answer = _tool(["inspect", tmp_path / "größe.onnx"], PYTHONIOENCODING="ascii")
    assert answer.returncode == 2
    assert "gr??e.onnx" in answer.stderr


@pytest.mark.parametrize("words", ["list", "list --json", "--help"])
def test_a_reader_that_leaves_early_is_no_failed_gate(words: str) -> None:
    answer = subprocess.run(  # noqa: S602  # only a shell has pipes, and the text is fixed
        [f"set -o pipefail; '{sys.executable}' -m compress_onnx {words} | true"],
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode in {exit_codes.DONE, exit_codes.READER_LEFT}
    assert answer.stderr == ""


def test_control_c_exits_130() -> None:
    code = "import time, compress_onnx.cli.commands.gate as g, compress_onnx.cli.app as b, sys\n"
    code += "def wait(path):\n    print('ready', flush=True)\n    time.sleep(60)\n"
    code += "g._write_template = wait\nsys.exit(b.run(['gate', '--init', 'x']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == exit_codes.INTERRUPTED
    assert "Traceback" not in complaint
