"""How models are timed: several numbers of threads and batches, as long or as often as asked for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments.flags import counts, flag
from compress_onnx.options import BATCH, CALLS, DURATION, ROUNDS, THREADS

if TYPE_CHECKING:
    from compress_onnx.compare import Sweep

Rounds = Annotated[int, flag(ROUNDS)]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimingFlags:
    """What ``bench`` times: each number of threads with each batch."""

    threads: Annotated[str, typer.Option(help=f"{THREADS.help} Several as 1,2.")] = str(THREADS.default)
    batch: Annotated[str, typer.Option(help=f"{BATCH.help} Several as 1,8,32.")] = str(BATCH.default)
    rounds: Rounds = ROUNDS.default
    duration: Annotated[float, flag(DURATION)] = DURATION.default
    calls: Annotated[int | None, flag(CALLS, more="In place of --duration.")] = None
    spinning: Annotated[bool, typer.Option(help="Let idle threads wait busily, as ONNX Runtime does.")] = True

    def sweep(self) -> Sweep:
        """Return every setting that is timed."""
        from compress_onnx.compare import Sweep
        from compress_onnx.runtime import LatencyPlan

        plan = LatencyPlan(rounds=self.rounds, spinning=self.spinning)
        if self.calls is None:
            plan = dataclasses.replace(plan, duration_s=self.duration)
        else:
            plan = dataclasses.replace(plan, calls=self.calls)
        return Sweep(threads=counts(self.threads, THREADS), batches=counts(self.batch, BATCH), plan=plan)
