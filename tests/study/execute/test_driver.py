"""Tasks through executors: what is sent, which workers are left out, and what a dead one costs."""

from __future__ import annotations

import dataclasses
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.files import sha256_of
from compress_onnx.study.execute.driver import TRIES, Driver
from compress_onnx.study.execute.tasks import (
    Done,
    Failed,
    Lacking,
    Task,
    Unfit,
)
from compress_onnx.study.execute.transfer import store_contents, unpacked


@dataclasses.dataclass
class Scripted(Executor):
    """Answers from a list: outcomes, errors, or ``None`` for doing the task."""

    script: list[Any]
    sent: list[Any] = dataclasses.field(default_factory=list)

    def submit(self, fn: Any, /, task: Task, contents: Any) -> Future[Any]:  # type: ignore[override]
        self.sent.append(dict(contents))
        future: Future[Any] = Future()
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(fn(task, contents) if answer is None else answer)
        return future


def answers(executor: Executor, *given: Task, said: list[str] | None = None) -> list[Done | Failed]:
    driver = Driver(executor, slots=None, say=(said if said is not None else []).append)
    return [outcome for _, outcome in driver.answers(given)]


def test_a_content_is_sent_once_and_only_where_it_lacks(echo: Any, tmp_path: Path) -> None:
    store_contents({sha256_of(b"content a"): b"content a"})
    executor = Scripted([])
    (done,) = answers(executor, echo)
    assert isinstance(done, Done)
    unpacked(done.files or {}, tmp_path / "back")
    assert (tmp_path / "back/a").read_text() == "content a"
    assert (tmp_path / "back/deep/b").read_text() == "content b"
    assert executor.sent == [{}, {sha256_of(b"content b"): b"content b"}]
    answers(executor, echo)
    assert executor.sent[2:] == [{}]


def test_a_worker_that_lacks_something_else_is_sent_all(echo: Any) -> None:
    lacking = [Lacking(worker="w", hashes=(sha256_of(f"content {name}".encode()),)) for name in "ab"]
    executor = Scripted(list(lacking))
    (done,) = answers(executor, echo)
    assert isinstance(done, Done)
    assert [len(contents) for contents in executor.sent] == [0, 1, 2]
    (failed,) = answers(Scripted(lacking * 2), echo)
    assert isinstance(failed, Failed)
    assert "lost the files it was sent, 3 times" in failed.reason


class Excluding(Scripted):
    """Has other workers for a while."""

    left = 1

    def exclude(self, worker: str, reason: str) -> bool:
        self.left -= 1
        return self.left >= 0


def test_a_worker_that_will_not_do_is_named_and_the_task_goes_to_another(echo: Any) -> None:
    said: list[str] = []
    unfit = Unfit(worker="tcp://one", reason="Expected the data, got none.")
    (done,) = answers(Excluding([unfit]), echo, said=said)
    assert isinstance(done, Done)
    assert said == ["Worker tcp://one is left out. Expected the data, got none."]
    (failed,) = answers(Excluding([unfit, dataclasses.replace(unfit, worker="tcp://two")]), echo)
    assert isinstance(failed, Failed)
    assert failed.reason == "no worker is left. tcp://two: Expected the data, got none."


def test_an_executor_that_excludes_nobody_is_tried_again(echo: Any) -> None:
    unfit = Unfit(worker="w", reason="Expected the data, got none.")
    said: list[str] = []
    assert isinstance(answers(Scripted([unfit] * (TRIES - 1)), echo, said=said)[0], Done)
    assert len(said) == 1
    assert isinstance(answers(Scripted([unfit] * TRIES), echo)[0], Failed)


def test_a_task_whose_worker_died_goes_again_and_not_for_ever(echo: Any) -> None:
    assert isinstance(answers(Scripted([BrokenExecutor()] * (TRIES - 1)), echo)[0], Done)
    (failed,) = answers(Scripted([BrokenExecutor()] * TRIES), echo)
    assert isinstance(failed, Failed)
    assert "its worker process died" in failed.reason


@pytest.mark.parametrize(("error", "says"), [(CancelledError(), "given up"), (ValueError("x"), "ValueError: x")])
def test_a_broken_way_to_the_workers_fails_the_task(error: Exception, says: str, echo: Any) -> None:
    (failed,) = answers(Scripted([error]), echo)
    assert isinstance(failed, Failed)
    assert says in failed.reason


def test_at_most_as_many_run_as_there_are_slots(echo: Any) -> None:
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
    store_contents({item.sha256: Path(item.source).read_bytes() for item in echo.files.items})
    given = [dataclasses.replace(echo, name=str(number)) for number in range(6)]
    driver = Driver(pairs, slots=2, say=[].append)
    assert sorted(task.name for task, _ in driver.answers(given)) == list("012345")
    assert pairs.most == 2
