"""Tasks through executors: what travels, which workers are left out, and what a dead one costs."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import onnx
import pytest

from compress_onnx import options
from compress_onnx.errors import DataError, OptionError
from compress_onnx.extension_points import executors
from compress_onnx.files import sha256_of
from compress_onnx.ort.session import quiet_options
from compress_onnx.runtime.cpu.machine import environment
from compress_onnx.study.execute import parcels
from compress_onnx.study.execute.driver import TRIES, Driver
from compress_onnx.study.execute.local import LocalPool
from compress_onnx.study.execute.parcels import Bundle, bundle, keep, packed, unpacked
from compress_onnx.study.execute.tasks import (
    Done,
    Failed,
    Lacking,
    Task,
    Terms,
    Unfit,
    UnfitWorkerError,
    data_sha256,
    perform,
)
from compress_onnx.study.execute.threads import on_one_thread

ANYWHERE = Terms(packages={}, data={})


@dataclasses.dataclass(frozen=True)
class Echo:
    """A task that answers with the contents of its files."""

    name: str = "echo"
    files: Bundle = dataclasses.field(default_factory=lambda: bundle({}, shared=False))
    terms: Terms = ANYWHERE

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        return (self.files,)

    def run(self, scratch: Path) -> Done:
        return Done(worker="w", files=packed(self.files.laid_out(scratch / "files")))


@dataclasses.dataclass
class Scripted(Executor):
    """Answers from a list: outcomes, errors, or ``None`` for doing the task."""

    script: list[Any]
    parcels: list[Any] = dataclasses.field(default_factory=list)

    def submit(self, fn: Any, /, task: Task, parcel: Any) -> Future[Any]:  # type: ignore[override]
        self.parcels.append(dict(parcel))
        future: Future[Any] = Future()
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(fn(task, parcel) if answer is None else answer)
        return future


def answers(executor: Executor, *given: Task, said: list[str] | None = None) -> list[Done | Failed]:
    driver = Driver(executor, slots=None, say=(said if said is not None else []).append)
    return [outcome for _, outcome in driver.answers(given)]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return options.cache_root()


@pytest.fixture
def echo(tmp_path: Path, own_cache: Path) -> Echo:
    for name in "ab":
        (tmp_path / name).write_text(f"content {name}")
    return Echo(files=bundle({"a": tmp_path / "a", "deep/b": tmp_path / "b"}, shared=False))


# ------------------------------------------------------------------------------------------- parcels


def test_a_content_is_sent_once_and_only_where_it_lacks(echo: Echo, tmp_path: Path) -> None:
    keep({sha256_of(b"content a"): b"content a"})
    executor = Scripted([])
    (done,) = answers(executor, echo)
    assert isinstance(done, Done)
    unpacked(done.files or {}, tmp_path / "back")
    assert (tmp_path / "back/a").read_text() == "content a"
    assert (tmp_path / "back/deep/b").read_text() == "content b"
    assert executor.parcels == [{}, {sha256_of(b"content b"): b"content b"}]
    answers(executor, echo)
    assert executor.parcels[2:] == [{}]


def test_a_worker_that_lacks_something_else_is_sent_all(echo: Echo) -> None:
    lacking = [Lacking(worker="w", hashes=(sha256_of(f"content {name}".encode()),)) for name in "ab"]
    executor = Scripted(list(lacking))
    (done,) = answers(executor, echo)
    assert isinstance(done, Done)
    assert [len(parcel) for parcel in executor.parcels] == [0, 1, 2]
    (failed,) = answers(Scripted(lacking * 2), echo)
    assert isinstance(failed, Failed)
    assert "lost the files it was sent, 3 times" in failed.reason


def test_a_content_of_another_hash_is_refused(own_cache: Path) -> None:
    with pytest.raises(DataError, match="the content aaaa"):
        keep({"a" * 64: b"something"})
    assert not list(own_cache.rglob("a" * 64))


def test_shared_files_lack_nothing_and_are_not_copied(echo: Echo, tmp_path: Path) -> None:
    shared = bundle({"x/a": tmp_path / "a"}, shared=True)
    assert shared.lacking() == ()
    assert (shared.laid_out(tmp_path / "out") / "x/a").is_symlink()
    assert echo.files.lacking() != ()


def test_contents_used_longest_ago_go_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "LIMIT_BYTES", 25)
    contents = [name * 10 for name in (b"a", b"b", b"c")]
    for age, content in zip((30, 20, 10), contents, strict=True):
        keep({sha256_of(content): content})
        kept = own_cache / "parcels" / sha256_of(content)
        os.utime(kept, (time.time() - age, time.time() - age))
    keep({sha256_of(b"d"): b"d"})
    names = {path.name for path in (own_cache / "parcels").iterdir()}
    assert names == {sha256_of(content) for content in (contents[1], contents[2], b"d")}


# --------------------------------------------------------------------------------------- unfit workers


def test_other_packages_and_other_data_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Terms(packages={"onnx": "1"}, data={}).check({"onnx": "1", "more": "2"})
    with pytest.raises(UnfitWorkerError, match=r"onnx 1, as the client has, got none"):
        Terms(packages={"onnx": "1"}, data={}).check({})
    pytest.importorskip("sklearn")
    right = data_sha256("digits:test")
    Terms(packages={}, data={"digits:test": right}).check({})
    with pytest.raises(UnfitWorkerError, match=rf"digits:test with hash 000000000000.*got {right[:12]}"):
        Terms(packages={}, data={"digits:test": "0" * 64}).check({})
    with pytest.raises(UnfitWorkerError, match=r"the data no/such\.npz, got this: .*no file"):
        Terms(packages={}, data={"no/such.npz": right}).check({})


def test_a_worker_answers_instead_of_raising() -> None:
    unfit = perform(Echo(terms=Terms(packages={"compress-onnx": "0"}, data={})), {})
    assert isinstance(unfit, Unfit)
    assert environment().packages["compress-onnx"] in unfit.reason
    assert unfit.worker == f"process {os.getpid()}"
    failed = perform(Echo(files=Bundle(items=(), shared=False)), {"a" * 64: b"b"})
    assert isinstance(failed, Failed)
    assert not failed.trace


class Excluding(Scripted):
    """Has other workers for a while."""

    left = 1

    def exclude(self, worker: str, reason: str) -> bool:
        self.left -= 1
        return self.left >= 0


def test_a_worker_that_will_not_do_is_named_and_the_task_goes_to_another(echo: Echo) -> None:
    said: list[str] = []
    unfit = Unfit(worker="tcp://one", reason="Expected the data, got none.")
    (done,) = answers(Excluding([unfit]), echo, said=said)
    assert isinstance(done, Done)
    assert said == ["Worker tcp://one is left out. Expected the data, got none."]
    (failed,) = answers(Excluding([unfit, dataclasses.replace(unfit, worker="tcp://two")]), echo)
    assert isinstance(failed, Failed)
    assert failed.reason == "no worker is left. tcp://two: Expected the data, got none."


def test_an_executor_that_excludes_nobody_is_tried_again(echo: Echo) -> None:
    unfit = Unfit(worker="w", reason="Expected the data, got none.")
    said: list[str] = []
    assert isinstance(answers(Scripted([unfit] * (TRIES - 1)), echo, said=said)[0], Done)
    assert len(said) == 1
    assert isinstance(answers(Scripted([unfit] * TRIES), echo)[0], Failed)


# ---------------------------------------------------------------------------------------- dead workers


def test_a_task_whose_worker_died_goes_again_and_not_for_ever(echo: Echo) -> None:
    assert isinstance(answers(Scripted([BrokenExecutor()] * (TRIES - 1)), echo)[0], Done)
    (failed,) = answers(Scripted([BrokenExecutor()] * TRIES), echo)
    assert isinstance(failed, Failed)
    assert "its worker process died" in failed.reason


@pytest.mark.parametrize(("error", "says"), [(CancelledError(), "given up"), (ValueError("x"), "ValueError: x")])
def test_a_broken_way_to_the_workers_fails_the_task(error: Exception, says: str, echo: Echo) -> None:
    (failed,) = answers(Scripted([error]), echo)
    assert isinstance(failed, Failed)
    assert says in failed.reason


def test_at_most_as_many_run_as_there_are_slots(echo: Echo) -> None:
    class Pairs(Executor):
        """Finishes what it holds whenever it holds two."""

        def __init__(self) -> None:
            self.held: list[tuple[Future[Any], Any]] = []
            self.most = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            self.held.append((future, fn(*args)))
            self.most = max(self.most, len(self.held))
            if len(self.held) == 2:
                for done, answer in self.held:
                    done.set_result(answer)
                self.held.clear()
            return future

    pairs = Pairs()
    keep({item.sha256: Path(item.source).read_bytes() for item in echo.files.items})
    given = [dataclasses.replace(echo, name=str(number)) for number in range(6)]
    driver = Driver(pairs, slots=2, say=[].append)
    assert sorted(task.name for task, _ in driver.answers(given)) == list("012345")
    assert pairs.most == 2


# ------------------------------------------------------------------------------------------ local pool


def test_threads_are_shared_among_the_cells_that_run() -> None:
    pool = LocalPool(4, 8)
    assert [pool.threads_for(cells) for cells in (1, 2, 3, 4, 9)] == [8, 4, 2, 2, 2]
    assert LocalPool(4, 2).threads_for(9) == 1


def test_the_pool_is_here() -> None:
    with pytest.raises(OptionError, match="no address"):
        executors()["local"]("tcp://elsewhere", None)
    pool: Any = executors()["local"]("", 3)
    assert pool.slots == 3


@pytest.mark.slow
def test_a_killed_worker_costs_its_pool_and_the_next_one_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    with LocalPool(1, 1) as pool:
        first = pool.submit(os.getpid).result(60)
        slow = pool.submit(time.sleep, 60)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(BrokenExecutor):
            slow.result(60)
        assert pool.submit(os.getpid).result(60) != first


@pytest.mark.slow
def test_a_pool_that_is_closed_at_once_ends_what_runs() -> None:
    pool = LocalPool(1, 1)
    worker = pool.submit(os.getpid).result(60)
    pool.submit(time.sleep, 600)
    pool.shutdown(wait=False, cancel_futures=True)
    _gone(worker)


@pytest.mark.slow
def test_one_worker_times() -> None:
    with LocalPool(2, 2) as pool, pool.timing() as timer:
        assert timer.slots == 1
        assert len({timer.submit(os.getpid).result(60) for _ in range(2)}) == 1


def _gone(process: int) -> None:
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} is still there")


def test_sums_stay_on_one_thread(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []

    class Torch:
        @staticmethod
        def get_num_threads() -> int:
            return 7

        @staticmethod
        def set_num_threads(number: int) -> None:
            told.append(number)

    keep({item.sha256: Path(item.source).read_bytes() for item in echo.files.items})
    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert isinstance(perform(echo, {}), Done)
    assert told == [1, 7]


def test_libraries_loaded_later_sum_on_one_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with on_one_thread():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
        assert quiet_options().intra_op_num_threads == 1
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("shared", [False, True])
def test_a_model_with_data_files_travels_whole(
    *, shared: bool, convnet: Any, scattered: Any, tmp_path: Path, own_cache: Path
) -> None:
    scattered(convnet, tmp_path / "a" / "m.onnx", place=lambda number: f"sub/{number}")
    files = {"first.onnx": tmp_path / "a" / "m.onnx", "card.json": tmp_path / "card.json"}
    files["card.json"].write_text('{"location": "no model"}')
    sent = bundle(files, shared=shared)
    if not shared:
        keep(sent.contents(None))
    there = sent.laid_out(tmp_path / "there")
    moved = (there / "first.onnx").read_bytes()
    shutil.rmtree(tmp_path / "a")
    assert onnx.load_model_from_string(moved).graph.initializer == convnet.graph.initializer
    assert json.loads((there / "card.json").read_text()) == {"location": "no model"}
    assert own_cache.is_dir() != shared
