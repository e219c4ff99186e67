"""Tasks through an executor: what a worker lacks is sent, what a dead worker had is given to another."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait

from compress_onnx.study.execute.tasks import Done, Failed, Lacking, Outcome, Task, Unfit, perform
from compress_onnx.study.execute.transfer import Contents

# A cell that took three workers with it would take a fourth.
TRIES = 3

Answer = tuple[Task, Done | Failed]
Say = Callable[[str], None]


class Driver:
    """Runs tasks on an executor, at most ``slots`` at a time (``None``: all)."""

    def __init__(self, executor: Executor, *, slots: int | None, say: Say) -> None:
        self._executor, self._slots, self._say = executor, slots, say
        self._waiting: collections.deque[tuple[Task, Contents]] = collections.deque()
        self._running: dict[Future[Outcome], Task] = {}
        self._tries: collections.Counter[tuple[str, str]] = collections.Counter()
        self._sent: collections.Counter[str] = collections.Counter()
        self._unfit: set[str] = set()

    def answers(self, tasks: Sequence[Task]) -> Iterator[Answer]:
        """Yield each task with its outcome as it comes."""
        unfit: dict[str, str] = getattr(self._executor, "unfit", {})
        for worker, reason in unfit.items():
            self._leave_out(worker, reason)
        self._waiting.extend((task, {}) for task in tasks)
        while self._waiting or self._running:
            self._fill()
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                task = self._running.pop(future)
                outcome = self._outcome(task, future)
                if outcome is not None:
                    yield task, outcome

    def _fill(self) -> None:
        while self._waiting and (self._slots is None or len(self._running) < self._slots):
            task, contents = self._waiting.popleft()
            self._running[self._executor.submit(perform, task, contents)] = task

    def _outcome(self, task: Task, future: Future[Outcome]) -> Done | Failed | None:
        """Return how a task ended, ``None`` where it goes again."""
        try:
            outcome = future.result()
        except BrokenExecutor:
            return self._again(task, "its worker process died (killed, or out of memory)")
        except CancelledError:
            return Failed(worker="", reason="given up by its executor: the scheduler or all workers are gone")
        except Exception as error:  # noqa: BLE001  # the way to the worker broke; each executor has its own errors for that
            return Failed(worker="", reason=f"{type(error).__name__}: {error}")
        if isinstance(outcome, Lacking):
            return self._again(task, "its worker lost the files it was sent", self._contents(task, outcome))
        if isinstance(outcome, Unfit):
            return self._to_another(task, outcome)
        return outcome

    def _contents(self, task: Task, outcome: Lacking) -> Contents:
        """Read what a worker lacks, and the second time all: another one may lack the rest."""
        wanted = outcome.hashes if not self._sent[task.name] else None
        self._sent[task.name] += 1
        return {sha: content for bundle in task.bundles for sha, content in bundle.contents(wanted).items()}

    def _again(self, task: Task, reason: str, contents: Contents | None = None) -> Failed | None:
        self._tries[task.name, reason] += 1
        if self._tries[task.name, reason] >= TRIES:
            return Failed(worker="", reason=f"{reason}, {TRIES} times")
        self._waiting.append((task, contents or {}))
        return None

    def _leave_out(self, worker: str, reason: str) -> None:
        if worker not in self._unfit:
            self._unfit.add(worker)
            self._say(f"Worker {worker} is left out. {reason}")

    def _to_another(self, task: Task, outcome: Unfit) -> Failed | None:
        """Give the task to another worker than the one that will not do."""
        self._leave_out(outcome.worker, outcome.reason)
        exclude: Callable[[str, str], bool] | None = getattr(self._executor, "exclude", None)
        if exclude is None:
            return self._again(task, f"worker {outcome.worker} will not do: {outcome.reason}")
        if not exclude(outcome.worker, outcome.reason):
            return Failed(worker=outcome.worker, reason=f"no worker is left. {outcome.worker}: {outcome.reason}")
        self._waiting.append((task, {}))
        return None
