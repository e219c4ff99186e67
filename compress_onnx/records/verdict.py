"""What a policy's rules decided."""

from __future__ import annotations

from enum import StrEnum

from compress_onnx.records.base import Interval, record


class Outcome(StrEnum):
    """What a rule, or all rules together, decided."""

    PASS = "pass"  # noqa: S105  # an outcome, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class CheckKind(StrEnum):
    """What a check holds a candidate against: a policy's limit, a previous run, or locked images."""

    RULE = "rule"
    REGRESSION = "regression"
    LOCK = "lock"


@record
class GateCheck:
    """One rule of a policy against what was observed.

    ``samples_needed`` counts the images in all, ``samples_more`` those still missing, that would
    decide an inconclusive rule if the estimate stayed; ``advice`` says it in words, or why no
    number of images can.
    """

    rule: str
    candidate: str
    observed: float | None
    interval: Interval | None
    outcome: Outcome
    reason: str
    samples_needed: int | None
    samples_more: int | None = None
    advice: str = ""
    kind: CheckKind = CheckKind.RULE


@record
class Verdict:
    """All checks together: ``fail`` if one fails, else ``inconclusive`` if one is, else ``pass``.

    ``policy_sha256`` is empty where no policy was given, ``against`` the previous run's id.
    """

    outcome: Outcome
    policy_sha256: str
    checks: tuple[GateCheck, ...]
    warnings: tuple[str, ...] = ()
    against: str | None = None
