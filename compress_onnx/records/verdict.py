"""What a policy's rules decided."""

from __future__ import annotations

from enum import StrEnum

from compress_onnx.records.base import Interval, record


class Outcome(StrEnum):
    """What a rule, or all rules together, decided."""

    PASS = "pass"  # noqa: S105  # an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@record
class GateCheck:
    """One rule of a policy against what was observed."""

    rule: str
    candidate: str
    observed: float | None
    interval: Interval | None
    outcome: Outcome
    reason: str
    samples_needed: int | None


@record
class Verdict:
    """All rules together: ``fail`` if one fails, else ``inconclusive`` if one is, else ``pass``."""

    outcome: Outcome
    policy_sha256: str
    checks: tuple[GateCheck, ...]
