"""Policies: TOML files with rules such as *flips.rate at most 0.02*."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any

from compress_onnx.errors import PolicyError
from compress_onnx.files import sha256_of
from compress_onnx.records import record
from compress_onnx.registry import unknown

TEMPLATE = """\
# What a candidate must keep before it ships. Every rule names a measure of the run's record.
# decide_on = "interval" (the default) passes only when the whole 95 % interval lies within the
# limit and fails only when the whole interval lies beyond it; anything else is inconclusive.
# decide_on = "estimate" looks at the value alone.

[[rule]]
# Accuracy may fall by at most one point.
metric = "accuracy.change"
at_least = -0.01

[[rule]]
# At most 2 % of the predictions may change.
metric = "flips.rate"
at_most = 0.02

[[rule]]
# No class may lose more than five points of recall.
metric = "classes.worst.change"
at_least = -0.05
decide_on = "estimate"
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

    def __str__(self) -> str:
        limit = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        return f"{self.metric} {limit}"


@record
class Policy:
    """All rules of a policy file, and the file's hash."""

    rules: tuple[Rule, ...]
    sha256: str


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
            remedy="Write one with: compress-onnx gate --init policy.toml.",
        ) from error
    entries = raw.pop("rule", [])
    if raw or not isinstance(entries, list) or not entries:
        raise PolicyError("[[rule]] tables and nothing else", ", ".join(raw) or "no rules", where=path)
    rules = tuple(_rule(entry, f"{path}, rule {number}") for number, entry in enumerate(entries, start=1))
    if len(set(map(str, rules))) < len(rules):
        raise PolicyError("each rule once", "one twice", where=path, remedy="Delete one of them.")
    return Policy(rules=rules, sha256=sha256_of(content))


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
