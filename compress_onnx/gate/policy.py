"""Policies: TOML files with rules such as *flips.rate at most 0.02*."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any

from compress_onnx.errors import PolicyError
from compress_onnx.files import sha256_of
from compress_onnx.gate.names import unquoted
from compress_onnx.options import CPU
from compress_onnx.records import record
from compress_onnx.registry import unknown

TEMPLATE = """\
# What a candidate must keep before it ships. Every rule names a measure of the run's record.
# decide_on = "interval" (the default) passes only when the whole 95 % interval lies within the
# limit and fails only when the whole interval lies beyond it; anything else is inconclusive.
# decide_on = "estimate" looks at the value alone. An inconclusive rule says how many more images
# would decide it. All names: compress-onnx gate RUN --list.

[[rule]]
# Accuracy may fall by at most one point.
metric = "accuracy.change"
at_least = -0.01

[[rule]]
# At most 2 % of the predictions may change.
metric = "flips.rate"
at_most = 0.02

[[rule]]
# No class may lose more than five points of recall: every class's interval must lie within the
# limit to pass, one beyond it (at a level corrected for the number of classes) fails. A class of
# fewer than about 75 images cannot pass by interval, even if it lost none of them.
metric = "classes.worst.change"
at_least = -0.05

# Where the candidate will run; a run made on another kind of CPU is warned about.
# One of x86-64-vnni, x86-64-avx2, aarch64.
# [target]
# cpu = "x86-64-vnni"
"""


class DecideOn(StrEnum):
    """What a rule looks at."""

    INTERVAL = "interval"
    ESTIMATE = "estimate"


@record
class Rule:
    """One limit on one measure: exactly one of ``at_most`` and ``at_least`` is given."""

    metric: str
    at_most: float | None = None
    at_least: float | None = None
    decide_on: DecideOn = DecideOn.INTERVAL

    @property
    def side(self) -> str:
        """``at_most`` or ``at_least``."""
        return "at_most" if self.at_most is not None else "at_least"

    @property
    def limit(self) -> float:
        """The limit, on whichever side."""
        return self.at_most if self.at_most is not None else self.at_least or 0.0

    def slack(self, value: float) -> float:
        """Return how far a value lies within the limit; negative beyond it."""
        return self.limit - value if self.at_most is not None else value - self.limit

    def __str__(self) -> str:
        return f"{self.metric} {self.side.replace('_', ' ')} {self.limit:g}"


@record
class Policy:
    """All rules of a policy file, the file's hash, and the kind of CPU it is for, if it names one."""

    rules: tuple[Rule, ...]
    sha256: str
    target_cpu: str | None = None


_REMEDY = "Write one with: compress-onnx gate --init policy.toml."
_TABLES = ("rule", "target")
_FIELDS = ("metric", "at_most", "at_least", "decide_on")


def load_policy(path: Path) -> Policy:
    """Read a policy.

    Errors
    ------
    PolicyError
        if the file is missing, not TOML, has no rules, or a rule is not well formed or stands twice.
    """
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(
            "a policy in TOML",
            getattr(error, "strerror", None) or str(error),
            where=path,
            remedy=_REMEDY,
        ) from error
    for key in raw:
        if key not in _TABLES:
            raise unknown("table of a policy", key, _TABLES, where=str(path))
    entries = raw.get("rule", [])
    if not isinstance(entries, list) or not entries:
        raise PolicyError("[[rule]] tables", "no rules", where=path, remedy=_REMEDY)
    rules = tuple(_rule(entry, f"{path}, rule {number}") for number, entry in enumerate(entries, start=1))
    _expect_each_once(rules, path)
    return Policy(rules=rules, sha256=sha256_of(content), target_cpu=_target_cpu(raw.get("target", {}), str(path)))


def template_policy() -> Policy:
    """Return the policy that ``gate --init`` writes.

    >>> [str(rule) for rule in template_policy().rules][1]
    'flips.rate at most 0.02'
    """
    raw = tomllib.loads(TEMPLATE)
    rules = tuple(_rule(entry, "template") for entry in raw["rule"])
    return Policy(rules=rules, sha256=sha256_of(TEMPLATE.encode()))


def _expect_each_once(rules: tuple[Rule, ...], path: Path) -> None:
    seen: dict[tuple[str, str], Rule] = {}
    for rule in rules:
        before = seen.setdefault((unquoted(rule.metric), rule.side), rule)
        if before is not rule:
            raise PolicyError(
                "each rule once",
                f"both {before} and {rule}" if str(before) != str(rule) else f"{rule} twice",
                where=path,
                remedy="Delete one of them.",
            )


def _target_cpu(entry: Any, where: str) -> str | None:
    if not isinstance(entry, dict):
        raise PolicyError("a [target] table", repr(entry), where=where)
    for key in entry:
        if key != "cpu":
            raise unknown("field of [target]", key, ("cpu",), where=where)
    cpu = entry.get("cpu")
    targets = [choice for choice in CPU.choices if choice != "auto"]
    if cpu is not None and cpu not in targets:
        raise unknown("target CPU", str(cpu), targets, where=where)
    return cpu


def _rule(entry: Any, where: str) -> Rule:
    if not isinstance(entry, dict):
        raise PolicyError("a [[rule]] table", repr(entry), where=where)
    for key in entry:
        if key not in _FIELDS:
            raise unknown("field of a rule", key, _FIELDS, where=where)
    metric, decide_on = entry.get("metric"), entry.get("decide_on", DecideOn.INTERVAL.value)
    if not isinstance(metric, str):
        raise PolicyError('a metric, such as "flips.rate"', repr(metric), where=where)
    if decide_on not in list(DecideOn):
        raise PolicyError('decide_on "interval" or "estimate"', repr(decide_on), where=where)
    limits = {name: entry[name] for name in ("at_most", "at_least") if name in entry}
    if len(limits) != 1 or not all(_is_number(limit) for limit in limits.values()):
        raise PolicyError("one number, at_most or at_least", str(limits or "neither"), where=where)
    name, limit = next(iter(limits.items()))
    return Rule(
        metric=metric,
        at_most=float(limit) if name == "at_most" else None,
        at_least=float(limit) if name == "at_least" else None,
        decide_on=DecideOn(decide_on),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
