"""``gate``: exit codes 0, 1 and 3, and what it leaves in the run's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compress_onnx.store import load_run, load_samples, samples_written

Write = Callable[[str], Path]
RULE = '[[rule]]\nmetric = "flips.rate"\n'


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [("at_most = 1", ("pass", 0)), ("at_most = 0", ("fail", 1)), ("at_most = {rate}", ("inconclusive", 3))],
)
def test_the_verdict_is_the_exit_code(
    limit: str, verdict: tuple[str, int], cli: Any, finished: Path, policy: Write
) -> None:
    rate = load_run(finished).comparisons[0].flips.rate.value
    answer = cli("gate", finished, "--policy", policy(RULE + limit.format(rate=rate)))
    assert answer.code == verdict[1]
    assert verdict[0] in answer.out


def test_the_verdict_goes_into_record_report_and_junit(cli: Any, finished: Path, policy: Write) -> None:
    answer = cli("gate", finished / "run.json", "--policy", policy(RULE + "at_most = 0"), "--json")
    assert answer.json["outcome"] == "fail"
    verdict = load_run(finished).verdict
    assert verdict is not None
    assert [check.candidate for check in verdict.checks] == ["other"]
    assert ET.parse(finished / "junit.xml").getroot().get("failures") == "1"  # noqa: S314  # written by this tool just now
    assert "flips.rate at most 0" in (finished / "report.html").read_text(encoding="utf-8")


def test_a_new_verdict_replaces_the_old_one(cli: Any, finished: Path, policy: Write) -> None:
    assert cli("gate", finished, "--policy", policy(RULE + "at_most = 0")).code == 1
    assert cli("gate", finished, "--policy", policy(RULE + "at_most = 1")).code == 0
    verdict = load_run(finished).verdict
    assert verdict is not None
    assert verdict.outcome == "pass"


def test_init_writes_a_policy_that_gate_obeys(cli: Any, finished: Path, tmp_path: Path) -> None:
    made = cli("gate", "--init", tmp_path / "new" / "policy.toml")
    assert (made.code, made.out) == (0, "")
    answer = cli("gate", finished, "--policy", tmp_path / "new" / "policy.toml")
    assert answer.code in {1, 3}
    assert len(load_run(finished).verdict.checks) == 3  # type: ignore[union-attr]  # written just now


def _pass(policy: Write) -> Path:
    return policy(RULE + "at_most = 1")


def test_names_are_listed_for_people_and_scripts(cli: Any, finished: Path) -> None:
    before = (finished / "run.json").read_bytes()
    answer = cli("gate", finished, "--list")
    assert answer.code == 0
    assert "classes.worst.change" in answer.out
    listed = cli("gate", finished, "--list", "--json").json["other"]
    assert listed["flips.rate"]["better"] == "lower"
    assert {"classes.a.change", "flips.negative_rate", "footprint.file_ratio", "extra.jensen_shannon"} <= set(listed)
    assert (finished / "run.json").read_bytes() == before


def test_a_summary_is_written_where_asked(cli: Any, finished: Path, policy: Write, tmp_path: Path) -> None:
    cli("gate", finished, "--policy", policy(RULE + "at_most = 0"), "--summary", tmp_path / "deep" / "s.md")
    assert (tmp_path / "deep" / "s.md").read_text(encoding="utf-8").startswith("### ✗ fail: 1 check, 1 fail")


def test_github_gets_annotations_and_a_summary_and_stdout_stays_json(
    cli: Any, finished: Path, policy: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "step.md"
    page.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    answer = cli("gate", finished, "--policy", policy(RULE + "at_most = 0"), "--json")
    assert answer.json["outcome"] == "fail"
    assert "::error title=other%3A flips.rate at most 0::the whole interval" in answer.err
    assert page.read_text(encoding="utf-8").startswith("before\n### ✗ fail")


def test_nobody_else_gets_annotations(cli: Any, finished: Path, policy: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    answer = cli("gate", finished, "--policy", policy(RULE + "at_most = 0"))
    assert "::" not in answer.out + answer.err


def test_a_run_is_no_worse_than_itself(cli: Any, finished: Path, tmp_path: Path) -> None:
    old = shutil.copytree(finished, tmp_path / "old")
    answer = cli("gate", finished, "--against", old, "--json")
    assert answer.code == 0
    assert answer.json["policy_sha256"] == ""
    assert [check["kind"] for check in answer.json["checks"]] == ["regression"] * 3
    assert answer.json["against"] == load_run(old).run_id
    assert "no worse than in" in (finished / "report.html").read_text(encoding="utf-8")


def test_a_run_that_lost_much_is_worse(cli: Any, shelf: Any, finished: Path, tmp_path: Path, policy: Write) -> None:
    # The earlier candidate is the baseline itself: it flipped nothing.
    shutil.copy(shelf.base, tmp_path / "other.onnx")
    words = ("compare", shelf.base, tmp_path / "other.onnx", "--data", shelf.data, "--out", tmp_path / "old")
    assert cli(*words, "--saliency", "none", "--no-latency").code == 0
    answer = cli("gate", finished, "--policy", _pass(policy), "--against", tmp_path / "old", "--json")
    assert answer.code == 1
    assert [check["outcome"] for check in answer.json["checks"]] == ["pass", "fail"]
    assert "paired on 60 images" in answer.json["checks"][1]["reason"]


def test_a_candidate_may_have_had_another_name(cli: Any, finished: Path, tmp_path: Path) -> None:
    old = shutil.copytree(finished, tmp_path / "old")
    assert cli("gate", finished, "--against", old, "--candidate", "other=other").code == 0
    assert (
        "Expected a candidate of the earlier run"
        in cli("gate", finished, "--against", old, "--candidate", "other=w8").err
    )
    assert "--candidate as NEW=OLD" in cli("gate", finished, "--against", old, "--candidate", "other").err


def _edited(run: Path, edit: Callable[[Any], None]) -> Path:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    edit(record)
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return run


def test_other_classes_cannot_be_compared_over_time(cli: Any, finished: Path, tmp_path: Path) -> None:
    old = _edited(
        Path(shutil.copytree(finished, tmp_path / "old")),
        lambda record: record["dataset"].update(class_names=["a", "b", "c", "d"]),
    )
    answer = cli("gate", finished, "--against", old)
    assert answer.code == 2
    assert "an earlier run with the same 3 classes, got 4 classes" in answer.err


def test_other_images_and_another_cpu_are_warned_about(cli: Any, finished: Path, tmp_path: Path, policy: Write) -> None:
    def edit(record: Any) -> None:
        record["dataset"]["sha256"] = "f" * 64
        record["environment"]["cpu_target"] = "aarch64"

    old = _edited(Path(shutil.copytree(finished, tmp_path / "old")), edit)
    warnings = cli("gate", finished, "--against", old, "--json").json["warnings"]
    assert len(warnings) == 2
    assert "other images" in warnings[0]
    assert "aarch64" in warnings[1]
    rules = policy(RULE + 'at_most = 1\n[target]\ncpu = "aarch64"')
    answer = cli(
        "gate", _edited(finished, lambda r: r["environment"].update(cpu_target="x86-64-vnni")), "--policy", rules
    )
    assert answer.code == 0
    assert "Warning: The policy is for aarch64, this run was made on x86-64-vnni" in answer.err
    assert "Warning: The policy is for aarch64" in _summary(cli, finished, rules, tmp_path)


def _summary(cli: Any, run: Path, rules: Path, folder: Path) -> str:
    cli("gate", run, "--policy", rules, "--summary", folder / "s.md")
    return (folder / "s.md").read_text(encoding="utf-8")


def test_what_was_lost_and_is_won_back_is_locked_and_must_not_be_lost_again(
    cli: Any, finished: Path, perfect: Path, tmp_path: Path
) -> None:
    lock = tmp_path / "flips.lock"
    negative = load_run(finished).comparisons[0].flips.negative
    assert negative
    assert cli("gate", perfect, "--against", finished, "--write-lock", lock).code == 0
    assert len(lock.read_text(encoding="utf-8").splitlines()) == 1 + negative
    assert cli("gate", perfect, "--lock", lock).code == 0
    answer = cli("gate", finished, "--lock", lock, "--json")
    assert answer.code == 1
    assert answer.json["checks"][0]["reason"].startswith(f"lost {negative} of {negative}: ")
    again = lock.read_text(encoding="utf-8")
    assert cli("gate", perfect, "--against", finished, "--write-lock", lock).code == 0
    assert lock.read_text(encoding="utf-8") == again


def test_a_sample_may_be_locked_by_hand(cli: Any, perfect: Path, tmp_path: Path) -> None:
    rows = load_samples(perfect)
    assert rows is not None
    right = rows["candidate_class"] == rows["label"]
    won, lost = rows["sample_id"][right][0], rows["sample_id"][~right][0]
    lock = tmp_path / "flips.lock"
    assert cli("gate", perfect, "--write-lock", lock, "--lock-sample", won).code == 0
    assert f'"sample": "{won}"' in lock.read_text(encoding="utf-8")
    for sample, says in ((lost, "get right"), ("nobody", "a sample of this run")):
        answer = cli("gate", perfect, "--write-lock", lock, "--lock-sample", sample)
        assert answer.code == 2
        assert says in answer.err
    assert "--lock-sample ID" in cli("gate", perfect, "--write-lock", lock).err


def test_a_run_without_content_hashes_says_what_to_do(cli: Any, finished: Path, perfect: Path, tmp_path: Path) -> None:
    lock = tmp_path / "flips.lock"
    rows = load_samples(finished)
    assert rows is not None
    with samples_written(finished) as write:
        write({name: column for name, column in rows.items() if name != "content_sha256"})
    # The same images stand behind the same ids, so the earlier run needs no hashes.
    assert cli("gate", perfect, "--against", finished, "--write-lock", lock).code == 0
    answer = cli("gate", finished, "--lock", lock)
    assert answer.code == 2
    assert "a column content_sha256" in answer.err
    assert "Make the run again." in answer.err


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (RULE + "at_most = 2", "2 % is written 0.02"),
        (RULE + "at_least = 0.02", "Probably at_most = 0.02 was meant"),
        ('[[rule]]\nmetric = "accuracy.change"\nat_most = 0.01', "Probably at_least = -0.01 was meant"),
        (
            '[[rule]]\nmetric = "accuracy.change"\nat_least = 0.01',
            "A loss of up to 0.01 is allowed by at_least = -0.01",
        ),
        ('[[rule]]\nmetric = "flip.rates"\nat_most = 0.02', "Did you mean flips.rate"),
        (
            RULE + "at_most = 0.02\n" + RULE + "at_most = 0.03",
            "both flips.rate at most 0.02 and flips.rate at most 0.03",
        ),
        (RULE + "at_most = nan", "one number"),
        ("", "no rules"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_and_changes_nothing(
    rules: str, says: str, cli: Any, finished: Path, policy: Write
) -> None:
    before = (finished / "run.json").read_bytes()
    answer = cli("gate", finished, "--policy", policy(rules))
    assert answer.code == 2
    assert says in answer.err
    assert answer.err.count("\n") == 1
    assert (finished / "run.json").read_bytes() == before
    assert not (finished / "junit.xml").exists()
