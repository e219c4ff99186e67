"""What a run is held against: a policy, an earlier run, locked images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_onnx.errors import OptionError

if TYPE_CHECKING:
    from compress_onnx.compare import Criteria

_POLICY: Any = typer.Option("--policy", help="Policy in TOML; gate --init FILE writes one.")
Policy = Annotated[Path, _POLICY]
OptionalPolicy = Annotated[Path | None, _POLICY]
Summary = Annotated[Path | None, typer.Option("--summary", help="Write the verdict as Markdown here.")]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class JudgingFlags:
    """What a run is held against beside a policy."""

    against: Annotated[
        Path | None, typer.Option("--against", help="An earlier run: nothing may have got worse beyond noise.")
    ] = None
    candidate: Annotated[
        list[str] | None, typer.Option("--candidate", help="NEW=OLD: a candidate's other name in the earlier run.")
    ] = None
    lock: Annotated[Path | None, typer.Option("--lock", help="flips.lock: images that must not be lost again.")] = None

    def criteria(self, policy: Path | None) -> Criteria:
        """Return all that a run is held against, the policy read."""
        from compress_onnx.compare import Criteria
        from compress_onnx.gate import load_policy

        return Criteria(
            policy=load_policy(policy) if policy is not None else None,
            against=self.against,
            lock=self.lock,
            renamed=renamed(self.candidate),
        )


def renamed(pairs: Sequence[str] | None) -> dict[str, str]:
    """Return candidates of this run and the names they had in the earlier one.

    >>> renamed(["int8=w8a8"])
    {'int8': 'w8a8'}
    """
    parts = [pair.partition("=") for pair in pairs or ()]
    for new, _, old in parts:
        if not new or not old:
            raise OptionError("--candidate as NEW=OLD", repr(new or old))
    return {new: old for new, _, old in parts}
