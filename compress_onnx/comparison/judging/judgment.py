"""A policy, an earlier run and locked images against a finished run.

The verdict goes into the run's record, its report and ``junit.xml``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from compress_onnx.comparison.judging.previous_run import matched, paired_columns, run_warnings
from compress_onnx.comparison.reports import write_run_report
from compress_onnx.comparison.run import RunResults, stored_run
from compress_onnx.files import write_text
from compress_onnx.gate import (
    Policy,
    Side,
    decide,
    junit_xml,
    lock_check,
    overall,
    read_lock,
    regression_checks,
    template_policy,
)
from compress_onnx.records import GateCheck, Verdict
from compress_onnx.store import load_run, save_run

JUNIT_FILE = "junit.xml"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """What a run is held against: at least one of a policy, an earlier run and a lock file.

    ``renamed`` maps candidates of this run to those of the earlier one, where their names differ.
    """

    policy: Policy | None = None
    against: Path | None = None
    lock: Path | None = None
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def readable(self) -> Criteria:
        """Return the same criteria if all files can be read: better before a long run than after it."""
        if self.against is not None:
            load_run(self.against)
        if self.lock is not None:
            read_lock(self.lock)
        return self


def judged_run(run: RunResults, criteria: Criteria) -> Verdict:
    """Hold a stored run against the criteria and write the verdict beside its other results.

    Errors
    ------
    UnknownNameError
        if a rule names a measure, or a renaming a candidate, that there is not.
    PolicyError
        if a limit makes no sense for its measure.
    RecordError
        if the earlier run or the lock cannot be read, or does not fit this run.
    """
    verdict = verdict_on(run, criteria)
    if run.folder is not None:
        judged = dataclasses.replace(run, record=dataclasses.replace(run.record, verdict=verdict))
        save_run(judged.record, run.folder)
        write_text(run.folder / JUNIT_FILE, junit_xml(verdict, run.record))
        write_run_report(judged, run.folder)
    return verdict


def verdict_on(run: RunResults, criteria: Criteria) -> Verdict:
    """Return the verdict without writing it."""
    rules = decide(run.record, criteria.policy) if criteria.policy is not None else None
    checks = list(rules.checks) if rules is not None else []
    warnings = list(rules.warnings) if rules is not None else []
    before = stored_run(criteria.against) if criteria.against is not None else None
    if before is not None:
        warnings += run_warnings(run.record, before.record)
        checks += _regressions(run, before, criteria)
    if criteria.lock is not None:
        checks += _locks(run, criteria.lock)
    return Verdict(
        outcome=overall(check.outcome for check in checks),
        policy_sha256=criteria.policy.sha256 if criteria.policy is not None else "",
        checks=tuple(checks),
        warnings=tuple(warnings),
        against=before.record.run_id if before is not None else None,
    )


def _regressions(now: RunResults, before: RunResults, criteria: Criteria) -> list[GateCheck]:
    """Return the checks of every candidate that both runs have, on the policy's measures or the usual ones."""
    rules = (criteria.policy or template_policy()).rules
    checks = []
    for new, old in matched(now.record, before.record, criteria.renamed):
        columns = paired_columns(now, before, (new.candidate_name, old.candidate_name))
        sides = [
            Side(run_id=run.record.run_id, comparison=comparison, columns=rows)
            for run, comparison, rows in zip((now, before), (new, old), columns, strict=True)
        ]
        checks += regression_checks(rules, sides[0], sides[1], now.record.dataset.class_names)
    return checks


def _locks(run: RunResults, lock: Path) -> list[GateCheck]:
    locked = read_lock(lock)
    rows = run.rows_with_content(list(run.comparisons))
    return [lock_check(locked, rows[name], run.record.dataset.class_names, name) for name in run.comparisons]
