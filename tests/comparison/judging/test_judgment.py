"""A verdict is that of the rules, the earlier run and the lock together, and is written beside the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compress_onnx.comparison.judging.judgment import JUNIT_FILE, Criteria, judged_run, verdict_on
from compress_onnx.comparison.judging.locking import extend_lock
from compress_onnx.comparison.run import RunResults, save_new, stored_run
from compress_onnx.errors import RecordError, UnknownNameError
from compress_onnx.gate.policy import Policy, load_policy, template_policy
from compress_onnx.gate.verdict import decide
from compress_onnx.records.verdict import CheckKind, Outcome
from compress_onnx.store.run import load_run

RunOf = Callable[..., RunResults]


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[float], Policy]:
    """At most so many flips, by their number alone."""

    def make(limit: float) -> Policy:
        path = tmp_path / f"{limit}.toml"
        rule = f'[[rule]]\nmetric = "flips.rate"\nat_most = {limit}\ndecide_on = "estimate"\n'
        path.write_text(rule, encoding="utf-8")
        return load_policy(path)

    return make


@pytest.fixture
def run(run_of: RunOf) -> RunResults:
    return run_of("new", {"int8": 0.4})


def test_the_rules_alone_are_the_gates_own_verdict(run: RunResults, policy: Callable[[float], Policy]) -> None:
    rate = run.comparisons["int8"].flips.rate.value
    assert rate is not None
    for limit, outcome in ((rate / 2, Outcome.FAIL), (rate * 1.01, Outcome.PASS)):
        verdict = verdict_on(run, Criteria(policy=policy(limit)))
        assert verdict.outcome is outcome
        assert verdict.checks == decide(run.record, policy(limit)).checks
        assert (verdict.policy_sha256, verdict.against) == (policy(limit).sha256, None)


def test_a_run_in_memory_is_judged_without_writing(
    run: RunResults, policy: Callable[[float], Policy], tmp_path: Path
) -> None:
    rules = policy(1)
    before = {path.name for path in tmp_path.iterdir()}
    assert judged_run(run, Criteria(policy=rules)) == verdict_on(run, Criteria(policy=rules))
    assert {path.name for path in tmp_path.iterdir()} == before
    assert run.record.verdict is None


def test_a_stored_run_keeps_its_verdict(run: RunResults, policy: Callable[[float], Policy], tmp_path: Path) -> None:
    stored = save_new(run, tmp_path / "run")
    verdict = judged_run(stored, Criteria(policy=policy(0)))
    assert load_run(tmp_path / "run") == dataclasses.replace(run.record, verdict=verdict)
    root = ET.parse(tmp_path / "run" / JUNIT_FILE).getroot()  # noqa: S314  # written here
    assert len(list(root.iter("failure"))) == 1
    assert "flips.rate" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    again = judged_run(stored_run(tmp_path / "run"), Criteria(policy=policy(1)))
    assert load_run(tmp_path / "run").verdict == again
    assert again.outcome is Outcome.PASS


def test_an_earlier_run_is_held_against_by_the_usual_measures(
    run: RunResults, run_of: RunOf, policy: Callable[[float], Policy], tmp_path: Path
) -> None:
    folder = save_new(run_of("old", {"int8": 0.0}), tmp_path / "old").folder
    verdict = verdict_on(run, Criteria(against=folder))
    assert verdict.against == "old"
    assert verdict.policy_sha256 == ""
    usual = {rule.metric for rule in template_policy().rules}
    assert {check.rule for check in verdict.checks} == {f"{metric} no worse than in old" for metric in usual}
    assert verdict.outcome is Outcome.FAIL
    both = verdict_on(run, Criteria(policy=policy(1), against=folder))
    assert [check.kind for check in both.checks].count(CheckKind.REGRESSION) == 1
    assert both.outcome is Outcome.FAIL


def test_a_run_is_no_worse_than_itself_and_may_rename(run: RunResults, run_of: RunOf, tmp_path: Path) -> None:
    folder = save_new(run_of("old", {"first": 0.4, "second": 0.0}), tmp_path / "old").folder
    same = verdict_on(run, Criteria(against=folder, renamed={"int8": "first"}))
    assert same.outcome is Outcome.PASS
    assert {check.observed for check in same.checks if check.observed is not None} == {0.0}
    better = verdict_on(run, Criteria(against=folder, renamed={"int8": "second"}))
    assert better.outcome is Outcome.FAIL
    with pytest.raises(UnknownNameError, match="a candidate of the earlier run, got 'third'"):
        verdict_on(run, Criteria(against=folder, renamed={"int8": "third"}))


def test_other_images_are_a_warning(run: RunResults, run_of: RunOf, make_images: Any, tmp_path: Path) -> None:
    folder = save_new(run_of("old", {"int8": 0.4}, images=make_images(seed=4)), tmp_path / "old").folder
    verdict = verdict_on(run, Criteria(against=folder))
    assert "old saw other images: the two runs are compared as independent samples." in verdict.warnings


def test_a_lock_is_asked_of_every_candidate(run_of: RunOf, tmp_path: Path) -> None:
    lock = tmp_path / "f.lock"
    folder = save_new(run_of("old", {"int8": 0.6}), tmp_path / "old").folder
    good = run_of("good", {"int8": 0.0})
    total, _ = extend_lock(lock, good, against=folder, samples=[])
    assert total
    assert verdict_on(good, Criteria(lock=lock)).outcome is Outcome.PASS
    mixed = verdict_on(run_of("bad", {"fine": 0.0, "int8": 0.6}), Criteria(lock=lock))
    assert [(check.candidate, check.outcome, check.kind) for check in mixed.checks] == [
        ("fine", Outcome.PASS, CheckKind.LOCK),
        ("int8", Outcome.FAIL, CheckKind.LOCK),
    ]
    assert mixed.outcome is Outcome.FAIL
    assert mixed.checks[1].observed == total


def test_criteria_are_read_before_a_long_run(
    run: RunResults, policy: Callable[[float], Policy], tmp_path: Path
) -> None:
    folder = save_new(run, tmp_path / "run").folder
    fine = Criteria(policy=policy(1), against=folder)
    assert fine.readable() is fine
    for wrong in (Criteria(against=tmp_path), Criteria(policy=policy(1), lock=tmp_path / "none.lock")):
        with pytest.raises(RecordError):
            wrong.readable()
