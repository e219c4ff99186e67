"""A board: a real sshd on the loopback, with keys, port and configuration of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.runtime.targets.ssh import CONFIG_VARIABLE

IMAGE = (3, 8, 8)
_TRIES = 5
# The environment of whatever a test starts, here and on its board, bears a mark of that test.
MARK = "COMPRESS_ONNX_TEST"
SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")


@dataclasses.dataclass(frozen=True)
class Board:
    """Where the board listens, and the files of both sides."""

    folder: Path
    port: int

    @property
    def address(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{sys.executable}"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"


def _key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)  # noqa: S607  # found by skipif
    return path.with_suffix(".pub").read_text(encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def words(process: psutil.Process) -> list[str]:
    """Return a process's command line, empty where it has ended meanwhile."""
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


def _environment(process: psutil.Process) -> dict[str, str]:
    # Others' processes do not tell, and any may end meanwhile.
    with contextlib.suppress(psutil.Error, OSError):
        return dict(process.environ())
    return {}


@pytest.fixture(autouse=True)
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Mark what this test starts."""
    found = uuid.uuid4().hex
    monkeypatch.setenv(MARK, found)
    return found


Programs = Callable[[], list[psutil.Process]]


@pytest.fixture
def programs(mark: str) -> Programs:
    """Return what finds this test's processes that have our program on their command line, whoever their parents are by now."""
    return lambda: [
        process
        for process in psutil.process_iter()
        if "os.read(0," in " ".join(words(process)) and _environment(process).get(MARK) == mark
    ]


@contextlib.contextmanager
def _serving(folder: Path, extra: str) -> Iterator[Board]:
    """Serve on a port that is free; another program may take it before sshd does, then on another."""
    for _ in range(_TRIES):
        port = _free_port()
        with _daemon(folder, port, extra) as daemon:
            if daemon is not None:
                yield Board(folder=folder, port=port)
                return
    pytest.fail(f"sshd ended {_TRIES} times")


@contextlib.contextmanager
def _daemon(folder: Path, port: int, extra: str) -> Iterator[subprocess.Popen[bytes] | None]:
    for key in ("host", "user"):
        (folder / key).unlink(missing_ok=True)
    host_key, user_key = _key(folder / "host"), _key(folder / "user")
    (folder / "authorized_keys").write_text(user_key, encoding="utf-8")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}", encoding="utf-8")
    (folder / "client").write_text(
        f"IdentityFile {folder / 'user'}\nIdentitiesOnly yes\nUserKnownHostsFile {folder / 'known_hosts'}\n"
        "GlobalKnownHostsFile /dev/null\nIdentityAgent none\n",
        encoding="utf-8",
    )
    settings = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"PidFile {folder / 'pid'}",
        "StrictModes no",
        "UsePAM no",
        "PasswordAuthentication no",
        "PermitRootLogin yes",
        f"SetEnv {MARK}={os.environ[MARK]}",
        extra,
    ]
    (folder / "server").write_text("\n".join(settings) + "\n", encoding="utf-8")
    if os.geteuid() == 0:
        # What Debian's service would make: root's sshd separates privileges there.
        Path("/run/sshd").mkdir(exist_ok=True)
    daemon = subprocess.Popen([str(SSHD), "-D", "-e", "-f", folder / "server"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while daemon.poll() is None and not _listening(port):
            assert time.monotonic() < deadline, "sshd does not listen"
            time.sleep(0.05)
        yield daemon if daemon.poll() is None else None
    finally:
        daemon.terminate()
        daemon.wait(10)


Serve = Callable[[str], contextlib.AbstractContextManager[Board]]


@pytest.fixture
def serve(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, mark: str) -> Serve:
    """Start a board whose sshd has further settings: ``with serve("ForceCommand …") as board``."""
    if SSHD is None or shutil.which("ssh-keygen") is None or shutil.which("ssh") is None:
        pytest.skip("no sshd on this machine: apt-get install openssh-server openssh-client")

    @contextlib.contextmanager
    def start(extra: str) -> Iterator[Board]:
        folder = tmp_path_factory.mktemp("board")
        monkeypatch.setenv(CONFIG_VARIABLE, str(folder / "client"))
        with _serving(folder, extra) as board:
            yield board

    return start


@pytest.fixture
def board(serve: Serve) -> Iterator[Board]:
    with serve("") as started:
        yield started


def saturating_model() -> onnx.ModelProto:
    """A U8S8 classifier whose answer depends on int16 saturation: QuantizeLinear, QLinearConv, dequantized, Flatten.

    Images of ones and weights of 127 make pairs of products of 2 * 255 * 127, twice what int16 holds.
    """
    tensors = {
        "one": np.float32(1),
        "step": np.float32(1 / 255),
        "u8_zero": np.uint8(0),
        "s8_zero": np.int8(0),
        "scale_y": np.float32(192 * 255 * 127 / 250),
        "w": np.stack([np.full((3, 8, 8), 127, np.int8), np.full((3, 8, 8), 40, np.int8)]),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "step", "u8_zero"], ["x"]),
        helper.make_node("QLinearConv", ["x", "one", "u8_zero", "w", "one", "s8_zero", "scale_y", "u8_zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale_y", "u8_zero"], ["d"]),
        helper.make_node("Flatten", ["d"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "saturating",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", *IMAGE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(saturating_model(), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture
def ones() -> NDArray[np.float32]:
    return np.ones((5, *IMAGE), np.float32)
