"""A policy, an earlier run and locked images against a finished run.

The verdict goes into the run's record, its report and ``junit.xml``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from compress_onnx.compare.previous_run import matched, paired_columns, rows_with_content, run_warnings
from compress_onnx.compare.reports import write_report
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
from compress_onnx.records import GateCheck, RunRecord, Verdict
from compress_onnx.store import load_run, run_file, save_run

JUNIT_FILE = "junit.xml"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a run is held against: at least one of a policy, an earlier run and a lock file.

    ``renamed`` maps candidates of this run to those of the earlier one, where their names differ.
    """

    policy: Policy | None = None
    against: Path | None = None
    lock: Path | None = None
    renamed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def readable(self) -> Terms:
        """Return the same terms if all files can be read: better before a long run than after it."""
        if self.against is not None:
            load_run(self.against)
        if self.lock is not None:
            read_lock(self.lock)
        return self


def judged_run(run: Path, record: RunRecord, terms: Terms) -> Verdict:
    """Hold a run against the terms and write the verdict beside its other results.

    Errors
    ------
    UnknownNameError
        if a rule names a measure, or a renaming a candidate, that there is not.
    PolicyError
        if a limit makes no sense for its measure.
    RecordError
        if the earlier run or the lock cannot be read, or does not fit this run.
    """
    folder = run_file(run).parent
    verdict = verdict_on(folder, record, terms)
    save_run(dataclasses.replace(record, verdict=verdict), folder)
    write_text(folder / JUNIT_FILE, junit_xml(verdict, record))
    write_report(folder)
    return verdict


def verdict_on(folder: Path, record: RunRecord, terms: Terms) -> Verdict:
    """Return the verdict without writing it."""
    rules = decide(record, terms.policy) if terms.policy is not None else None
    checks = list(rules.checks) if rules is not None else []
    warnings = list(rules.warnings) if rules is not None else []
    earlier = load_run(terms.against) if terms.against is not None else None
    if terms.against is not None and earlier is not None:
        warnings += run_warnings(record, earlier)
        checks += _regressions((folder, record), (run_file(terms.against).parent, earlier), terms)
    if terms.lock is not None:
        checks += _locks(folder, record, terms.lock)
    return Verdict(
        outcome=overall(check.outcome for check in checks),
        policy_sha256=terms.policy.sha256 if terms.policy is not None else "",
        checks=tuple(checks),
        warnings=tuple(warnings),
        against=earlier.run_id if earlier is not None else None,
    )


def _regressions(now: tuple[Path, RunRecord], before: tuple[Path, RunRecord], terms: Terms) -> list[GateCheck]:
    """Return the checks of every candidate that both runs have, on the policy's measures or the usual ones."""
    rules = (terms.policy or template_policy()).rules
    found = []
    for new, old in matched(now[1], before[1], terms.renamed):
        columns = paired_columns(now, before, (new.candidate_name, old.candidate_name))
        sides = [
            Side(run_id=record.run_id, comparison=comparison, columns=rows)
            for record, comparison, rows in zip((now[1], before[1]), (new, old), columns, strict=True)
        ]
        found += regression_checks(rules, sides[0], sides[1], now[1].dataset.class_names)
    return found


def _locks(folder: Path, record: RunRecord, lock: Path) -> list[GateCheck]:
    locked = read_lock(lock)
    names = [comparison.candidate_name for comparison in record.comparisons]
    rows = rows_with_content(folder, names)
    return [lock_check(locked, rows[name], record.dataset.class_names, name) for name in names]
