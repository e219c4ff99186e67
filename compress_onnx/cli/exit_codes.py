"""How a command ends, in the shell's numbers: declared here, once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress_onnx.records import Verdict

DONE = 0
GATE_FAILED = 1
USER_CAN_FIX = 2
INCONCLUSIVE = 3
BUG = 70
# What shells say of a program that SIGINT ended, and of one that wrote to a closed pipe.
INTERRUPTED = 130
READER_LEFT = 141

_MEANINGS: Mapping[int, str] = {
    DONE: "done or passed",
    GATE_FAILED: "gate failed",
    USER_CAN_FIX: "the user can fix it",
    INCONCLUSIVE: "inconclusive",
    BUG: "a bug",
}
_BY_OUTCOME: Mapping[str, int] = {"pass": DONE, "fail": GATE_FAILED, "inconclusive": INCONCLUSIVE}


def code_of(verdict: Verdict) -> int:
    """Return the exit code that tells a verdict."""
    return _BY_OUTCOME[verdict.outcome]


def in_words() -> str:
    """Return the codes that scripts may rely on, for the help.

    >>> in_words()
    'Exit codes: 0 done or passed, 1 gate failed, 2 the user can fix it, 3 inconclusive, 70 a bug.'
    """
    return f"Exit codes: {', '.join(f'{code} {meaning}' for code, meaning in _MEANINGS.items())}."
