"""Boards over ssh, against a real sshd; and how each failure is said."""

from __future__ import annotations

import dataclasses
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import OptionError, TargetError, WorkerError
from compress_onnx.ort.session import open_session
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.runtime.cpu.machine import cpu_target, environment
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets import ssh
from compress_onnx.runtime.targets.naming import connect, target_named

Programs = Callable[[], list[psutil.Process]]


@pytest.fixture(autouse=True)
def _nothing_left_behind(programs: Programs) -> Iterator[None]:
    yield
    deadline = time.monotonic() + 10
    while programs() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not programs()


@pytest.mark.slow
def test_a_board_answers_as_this_machine_does(board: Any, model: Path, ones: NDArray[np.float32]) -> None:
    there = connect(target_named(board.address))
    here = logits_of(open_session(model), [ones])
    np.testing.assert_array_equal(there.logits(model, [ones[:3], ones[3:]], threads=1, classes=2), here)
    assert there.environment.cpu_target == cpu_target()
    assert there.environment.packages["onnxruntime"] == environment().packages["onnxruntime"]
    assert there.environment.cores == environment().cores
    assert there.environment.emulator is None


@pytest.mark.slow
def test_latencies_come_back_from_the_board(board: Any, model: Path, ones: NDArray[np.float32]) -> None:
    there = connect(target_named(board.address))
    plan = LatencyPlan(rounds=2, calls=12)
    timings = there.latencies([model, model], ones[:1], plan=plan, rng=np.random.default_rng(0))
    for run in (*timings.runs, timings.repeat):
        assert len(run.values_ms) == 24
        assert all(value > 0 for value in (*run.values_ms, run.load_ms))
    assert (len(timings.runs), timings.cores, timings.warnings) == (2, (), ())


@pytest.mark.slow
def test_nothing_is_written_on_the_board(serve: Callable[[str], Any], model: Path, ones: NDArray[np.float32]) -> None:
    """A limit of no bytes per written file is stricter than a full disk."""
    with serve('ForceCommand ulimit -f 0; eval "$SSH_ORIGINAL_COMMAND"') as board:
        there = connect(target_named(board.address))
        assert len(there.logits(model, [ones], threads=1, classes=2)) == len(ones)


# ----------------------------------------------------------------------------------------------- failures


def refused(address: str) -> str:
    with pytest.raises(WorkerError) as caught:
        connect(target_named(address))
    return str(caught.value)


def test_an_unknown_host_key_is_refused(board: Any) -> None:
    board.known_hosts.write_text("", encoding="utf-8")
    told = refused(board.address)
    assert "Host key verification failed" in told
    assert "Compare the board's host key" in told
    assert board.known_hosts.read_text(encoding="utf-8") == ""


def test_a_changed_host_key_is_refused(board: Any) -> None:
    own = (board.folder / "user.pub").read_text(encoding="utf-8")
    board.known_hosts.write_text(f"[127.0.0.1]:{board.port} {own}", encoding="utf-8")
    assert "Host key verification failed" in refused(board.address)


def test_a_key_the_board_does_not_know_is_refused_without_a_question(board: Any) -> None:
    (board.folder / "authorized_keys").write_text("", encoding="utf-8")
    told = refused(board.address)
    assert "Permission denied (publickey" in told
    assert f"ssh-copy-id -p {board.port}" in told


def test_a_board_where_nobody_listens(board: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen: nobody else can meanwhile
        silent = dataclasses.replace(board, port=taken.getsockname()[1])
        told = refused(silent.address)
    assert "Connection refused" in told
    assert f"Try it by hand: ssh -p {silent.port}" in told


def test_a_host_that_does_not_exist(board: Any) -> None:
    assert "Could not resolve hostname" in refused("ssh://nobody@board.invalid")


def test_a_board_without_that_python(board: Any) -> None:
    told = refused(f"{board.address.removesuffix(sys.executable)}/opt/no/python")
    assert "/opt/no/python" in told
    assert "Name the board's Python: ssh://" in told


def test_a_board_without_onnx_runtime(board: Any, tmp_path: Path) -> None:
    bare = tmp_path / "bare python"
    bare.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S "$@"\n', encoding="utf-8")
    bare.chmod(0o755)
    told = refused(f"{board.address.removesuffix(sys.executable)}{bare}".replace(" ", "%20"))
    assert "Expected NumPy and ONNX Runtime on the target, got No module named 'numpy'" in told
    assert "pip install onnxruntime" in told


def test_a_login_that_prints(serve: Callable[[str], Any]) -> None:
    with serve('ForceCommand echo Welcome to this board, friend; eval "$SSH_ORIGINAL_COMMAND"') as board:
        told = refused(board.address)
    assert "must not print on stdout" in told


def test_a_board_that_falls_silent(serve: Callable[[str], Any]) -> None:
    with serve("ForceCommand exec sleep 30") as board:
        worker = target_named(board.address).worker(start_seconds=1.5)
        with pytest.raises(WorkerError, match=r"an answer to 'hello' within 1\.5 s, got none"), worker:
            pass


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle(
    board: Any, programs: Programs, model: Path, ones: NDArray[np.float32]
) -> None:
    there = connect(target_named(board.address))

    def batches() -> Iterator[NDArray[np.float32]]:
        yield ones
        for program in programs():
            if program.exe() == os.path.realpath(sys.executable):
                program.kill()
        yield ones

    with pytest.raises(WorkerError, match=r"an answer to 'run', got a process that ended"):
        there.logits(model, batches(), threads=1, classes=2)


# ------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh://pi@board", ("pi", "board", None, "python3")),
        ("ssh://board/", (None, "board", None, "python3")),
        ("ssh://a.b@10.0.0.2:2222/opt/venv/bin/python", ("a.b", "10.0.0.2", 2222, "/opt/venv/bin/python")),
        ("ssh://pi@[fe80::1]:22", ("pi", "fe80::1", 22, "python3")),
        ("ssh://pi@board/a%20b/python", ("pi", "board", None, "/a b/python")),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: tuple[object, ...]) -> None:
    assert ssh.parts(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("ssh://", "ssh:///python", "ssh:board", "ssh://-oProxyCommand=x", "ssh://-x@board", "ssh://pi:secret@board"),
        *("ssh://board:port", "ssh://board:99999", "ssh://board?x=1", "ssh://bo ard", "ssh://[::1"),
    ],
)
def test_what_is_no_address_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(OptionError, match=r"Expected ssh://user@board\[:port\]\[/path/to/python\], got "):
        target_named(text)


def test_a_machine_without_an_ssh_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(TargetError, match=r"an ssh client on this machine, got none .*package openssh-client"):
        target_named("ssh://board")


def test_the_client_checks_keys_asks_nothing_and_reads_the_given_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = tmp_path / "ssh"
    client.write_text("#!/bin/sh\n", encoding="utf-8")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(ssh.CONFIG_VARIABLE, "/my/config")
    command = target_named("ssh://pi@board:22").command
    assert command[1:4] == ("-T", "-F", "/my/config")
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes"} <= set(command)
    assert command[-6:] == ("-p", "22", "--", "pi@board", "exec", "python3")
