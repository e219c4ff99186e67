"""Policies: what is read, and what is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from compress_onnx.errors import CompressOnnxError, PolicyError
from compress_onnx.files import sha256_of_file
from compress_onnx.gate.policy import TEMPLATE, DecideOn, Rule, load_policy, template_policy

RATE = '[[rule]]\nmetric = "flips.rate"\n'


def test_rules_are_read_in_order(policy_file: Any) -> None:
    path = policy_file(
        RATE + 'at_most = 0.02\n[[rule]]\nmetric = "accuracy.change"\nat_least = -1\ndecide_on = "estimate"'
    )
    policy = load_policy(path)
    assert policy.rules == (
        Rule(metric="flips.rate", at_most=0.02),
        Rule(metric="accuracy.change", at_least=-1.0, decide_on=DecideOn.ESTIMATE),
    )
    assert [str(rule) for rule in policy.rules] == ["flips.rate at most 0.02", "accuracy.change at least -1"]
    assert policy.sha256 == sha256_of_file(path)


def test_a_rule_looks_at_the_interval_unless_told_otherwise(policy_file: Any) -> None:
    assert load_policy(policy_file(RATE + "at_most = 0")).rules[0].decide_on is DecideOn.INTERVAL


def test_a_target_is_kept(policy_file: Any) -> None:
    policy = load_policy(policy_file(RATE + 'at_most = 1\n[target]\ncpu = "aarch64"'))
    assert policy.target_cpu == "aarch64"
    assert load_policy(policy_file(RATE + "at_most = 1")).target_cpu is None


def test_both_sides_of_one_measure_make_a_band(policy_file: Any) -> None:
    assert len(load_policy(policy_file(RATE + "at_most = 1\n" + RATE + "at_least = 0")).rules) == 2


def test_the_template_is_a_policy(policy_file: Any) -> None:
    assert load_policy(policy_file(TEMPLATE)) == template_policy()
    assert {rule.decide_on for rule in template_policy().rules} == {DecideOn.INTERVAL}
    assert [rule.metric for rule in load_policy(policy_file(TEMPLATE)).rules] == [
        "accuracy.change",
        "flips.rate",
        "classes.worst.change",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "got no rules"),
        ("rule = []", "got no rules"),
        ('rule = "flips.rate"', "got no rules"),
        ("rule = [1]", r"a \[\[rule\]\] table, got 1 .*rule 1"),
        ('rule = ["flips.rate"]', r"a \[\[rule\]\] table, got 'flips.rate'"),
        ("rule = {", "a policy in TOML"),
        ('title = "x"\n' + RATE + "at_most = 1", "a table of a policy, got 'title'"),
        ("[[rules]]\n", "Did you mean rule"),
        ("[target]\n", "got no rules"),
        (RATE + 'at_most = 1\n[target]\ncpu = "x86-64-vnmi"', "Did you mean x86-64-vnni"),
        (RATE + "at_most = 1\n[target]\ncpu = 7", "a target CPU, got '7'"),
        (RATE + 'at_most = 1\n[target]\ncpus = "aarch64"', "Did you mean cpu"),
        ('target = "aarch64"\n' + RATE + "at_most = 1", r"a \[target\] table"),
        (RATE + "at_most = 1\n" + RATE + "at_most = 0.5", "both flips.rate at most 1 and flips.rate at most 0.5"),
        (
            "[[rule]]\nmetric = 'classes.\"a\".change'\nat_least = 0\n[[rule]]\nmetric = 'classes.a.change'\nat_least = 0",
            "each rule once",
        ),
        ("[[rule]]\nat_most = 1", 'a metric, such as "flips.rate", got None'),
        ("[[rule]]\nmetric = 1\nat_most = 1", "a metric, .* got 1"),
        (RATE, "got neither"),
        (RATE + "at_most = 1\nat_least = 0", "one number, at_most or at_least"),
        (RATE + 'at_most = "1"', "one number"),
        (RATE + "at_most = true", "one number"),
        (RATE + "at_most = nan", "one number"),
        (RATE + "at_most = inf", "one number"),
        (RATE + "at_mots = 1", "'at_mots'.*Did you mean at_most"),
        (RATE + 'at_most = 1\ndecide_on = "guess"', 'decide_on "interval" or "estimate", got \'guess\''),
        (RATE + "at_most = 1\ndecide_on = []", "decide_on"),
        (RATE + "at_most = 1\n" + RATE + "at_most = 1.0", "each rule once"),
        (RATE + "at_most = 1\n" + RATE + "at_most = {}", r"rule 2\)"),
    ],
)
def test_what_is_no_policy_is_refused(text: str, says: str, policy_file: Any) -> None:
    with pytest.raises(CompressOnnxError, match=says):
        load_policy(policy_file(text))


def test_bytes_that_are_no_text_are_refused(policy_file: Any) -> None:
    path = policy_file("")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(PolicyError, match="a policy in TOML"):
        load_policy(path)


def test_a_missing_policy_says_how_to_write_one(tmp_path: Any) -> None:
    with pytest.raises(PolicyError, match="compress-onnx gate --init"):
        load_policy(tmp_path / "no.toml")
