from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import ModelError, WorkerError
from compress_onnx.ort.session import open_session
from compress_onnx.runtime.workers import process
from compress_onnx.runtime.workers.frames import PROTOCOL
from compress_onnx.runtime.workers.process import Worker, local_worker
from compress_onnx.runtime.workers.program import local_command


@pytest.fixture(scope="module")
def running() -> Iterator[Worker]:
    with local_worker() as started:
        yield started


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


# -------------------------------------------------------------------------------------------------- answers


def test_hello_tells_versions_and_machine(running: Worker) -> None:
    assert running.facts["onnxruntime"] == __import__("onnxruntime").__version__
    assert running.facts["cores"] == len(os.sched_getaffinity(0))
    assert running.facts["memory"]["peak_bytes"] >= running.facts["memory"]["resident_bytes"] > 1 << 20


def test_answers_equal_those_of_this_process(running: Worker, fp32: Path, images: NDArray[np.float32]) -> None:
    expected = open_session(fp32).run(None, {"input": images})[0]
    for model in (fp32, fp32.read_bytes()):
        facts = running.load(model)
        assert facts["inputs"] == [["input", "tensor(float)", ["batch", 3, 8, 8]]]
        np.testing.assert_array_equal(running.run({"input": images})["logits"], expected)


@pytest.mark.parametrize("sees_files", [True, False])
def test_a_model_with_data_files_is_sent_whole(
    *,
    sees_files: bool,
    running: Worker,
    fp32: Path,
    images: NDArray[np.float32],
    scattered: Callable[..., object],
    tmp_path: Path,
) -> None:
    scattered(onnx.load(fp32), tmp_path / "m.onnx")
    expected = open_session(fp32).run(None, {"input": images})[0]
    running.sees_files = sees_files
    running.load(tmp_path / "m.onnx")
    np.testing.assert_array_equal(running.run({"input": images})["logits"], expected)


def test_timed_calls_are_as_many_as_asked_for_and_the_first_is_kept_apart(
    running: Worker, fp32: Path, images: NDArray[np.float32]
) -> None:
    loaded = running.load(fp32, threads=1, spinning=False)
    header, spent = running.ask("time", {"input": images[:1]}, calls=7, warmup=3)
    assert (spent["values"].shape, spent["warmup"].shape) == ((7,), (3,))
    assert min(spent["values"].min(), spent["warmup"].min(), header["first_ns"], loaded["load_ns"]) > 0
    later, spent = running.ask("time", calls=2)
    assert later["first_ns"] is None
    assert (len(spent["values"]), len(spent["warmup"])) == (2, 0)


def test_a_profile_holds_the_timed_calls_and_leaves_no_file(
    running: Worker, fp32: Path, images: NDArray[np.float32], tmp_path: Path
) -> None:
    running.load(fp32, profile=str(tmp_path / "profile"))
    running.ask("time", {"input": images[:1]}, calls=4)
    _, found = running.ask("profile")
    assert found["profile"].tobytes().count(b'"model_run"') == 5
    assert not list(tmp_path.iterdir())


def test_a_probe_leaves_the_loaded_model_alone(
    running: Worker, fp32: Path, fixed4: Path, images: NDArray[np.float32]
) -> None:
    running.load(fp32)
    assert running.probe(fixed4.read_bytes(), {"input": images[:4]})["logits"].shape == (4, 5)
    assert running.run({"input": images[:3]})["logits"].shape == (3, 5)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no processes")
def test_a_worker_runs_where_it_is_pinned(fp32: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with local_worker() as started:
        assert started.load(fp32, affinity=[core])["affinity"] == [core]
        assert started._process is not None
        assert os.sched_getaffinity(started._process.pid) == {core}


# -------------------------------------------------------------------------------------------------- refusals


def test_what_the_runtime_refuses_is_a_model_error_and_the_worker_lives_on(
    running: Worker, fp32: Path, images: NDArray[np.float32]
) -> None:
    with pytest.raises(ModelError, match=r"a model that ONNX Runtime can run.*"):
        running.load(b"no model")
    with pytest.raises(ModelError, match=r"nowhere\.onnx"):
        running.load(Path("nowhere.onnx"))
    running.load(fp32)
    with pytest.raises(ModelError, match="invalid dimensions"):
        running.run({"input": images[:, :1]})
    assert running.run({"input": images})["logits"].shape == (23, 5)


def test_a_refused_request_is_a_worker_error(running: Worker, fp32: Path) -> None:
    running.load(fp32)
    with pytest.raises(WorkerError, match=r"RefusedError: nothing to feed the model with \(worker on this machine\)"):
        running.ask("time", calls=1)
    with pytest.raises(WorkerError, match="loaded without a profile"):
        running.ask("profile")


# ------------------------------------------------------------------------------------------- broken workers


def test_a_program_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(WorkerError, match=r"No such file.*Check /no/such/program"), Worker(("/no/such/program",)):
        pass


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "import sys; sys.exit('no runtime here')",
            "an answer to 'hello', got a process that ended with code 1: no runtime here",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("print('Last login: Monday, from somewhere')", "the worker's protocol, got something else .*Last login"),
        ("import time; time.sleep(60)", "an answer to 'hello' within 0.5 s, got none"),
        ("import os, time; os.close(0); os.close(1); time.sleep(60)", "an answer to 'hello'"),
    ],
    ids=["exits", "killed", "talks", "silent", "deaf"],
)
def test_a_broken_worker_is_an_error(text: str, words: str) -> None:
    begin = time.monotonic()
    with (
        pytest.raises(WorkerError, match=words),
        Worker(script(text), name="board", start_seconds=0.5 if "sleep" in text else 20),
    ):
        pass
    assert time.monotonic() - begin < 30


def test_a_worker_of_another_protocol_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PROTOCOL", 99)
    with pytest.raises(WorkerError, match="protocol 99, got protocol 1"), local_worker():
        pass


def test_a_missing_runtime_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('No module named onnxruntime')")
    with (
        pytest.raises(WorkerError, match=r"NumPy and ONNX Runtime on the target.*pip install onnxruntime"),
        local_worker(environment={"PYTHONPATH": str(tmp_path)}),
    ):
        pass


def test_what_the_model_prints_does_not_reach_the_protocol() -> None:
    text = """
import os, sys
from compress_onnx.runtime.workers import service as worker
hello = worker.Service.on_hello
def loud(self, request, arrays):
    print("hello from Python", flush=True)
    os.system("echo hello from a child")
    return hello(self, request, arrays)
worker.Service.on_hello = loud
sys.exit(worker.main())
"""
    with Worker(script(text)) as started:
        assert started.facts["protocol"] == PROTOCOL


# --------------------------------------------------------------------------------------- nothing left behind


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_children_die_with_a_silent_worker(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    text = f"""
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path({str(note)!r}).write_text(str(child.pid))
time.sleep(60)
"""
    with pytest.raises(WorkerError, match="within"), Worker(script(text), start_seconds=1.5):
        pass
    assert eventually(lambda: not alive(int(note.read_text(encoding="ascii"))))


def test_a_worker_ends_with_its_block_and_with_its_parent() -> None:
    with local_worker() as started:
        assert started._process is not None
        pid = started._process.pid
        assert alive(pid)
    assert not alive(pid)
    with pytest.raises(WorkerError, match="a running worker, got one that has ended"):
        started.ask("hello")
    orphan = subprocess.Popen(local_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    orphan.communicate(timeout=30)
    assert orphan.returncode == 0


def test_a_worker_that_dies_in_between_says_so() -> None:
    with local_worker(name="board") as started:
        assert started._process is not None
        started._process.kill()
        with pytest.raises(WorkerError, match=r"an answer to 'hello', got a process ended by SIGKILL \(board\)"):
            started.ask("hello")
