"""JUnit documents that CI servers read, held against the strict schema that they share."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.gate.junit import junit_xml
from compress_onnx.records.verdict import CheckKind, GateCheck, Outcome, Verdict

texts = st.one_of(
    st.text(max_size=12), st.sampled_from(["classes.<&\"'>.change at least 0", "a<b", "größe", "]]>", "\x00\x1b[31m"])
)
checks = st.builds(
    GateCheck,
    rule=texts,
    candidate=texts,
    observed=st.none() | st.floats(0, 1),
    interval=st.none(),
    outcome=st.sampled_from(Outcome),
    reason=texts,
    samples_needed=st.none() | st.integers(1, 10**9),
    advice=st.sampled_from(["", "about 7 more images would decide it"]),
    kind=st.sampled_from(CheckKind),
)

# The attributes and children of each element in the order of the schema that Ant's reports follow, as windyroad
# wrote it down and Jenkins narrows it: pattern of each attribute; children in sequence with how many there may be.
_COUNT, _SECONDS, _ANY, _TOKEN = r"\d+", r"\d+(\.\d+)?", r"[\s\S]*", r"[\s\S]+"
_SCHEMA: dict[str, tuple[dict[str, str], list[tuple[str, int, int | None]]]] = {
    "testsuite": (
        {
            "name": _TOKEN,
            "timestamp": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}",
            "hostname": "localhost",
            "tests": _COUNT,
            "failures": _COUNT,
            "errors": _COUNT,
            "skipped": _COUNT,
            "time": _SECONDS,
        },
        [("properties", 1, 1), ("testcase", 0, None), ("system-out", 1, 1), ("system-err", 1, 1)],
    ),
    "properties": ({}, [("property", 0, None)]),
    "property": ({"name": _TOKEN, "value": _ANY}, []),
    "testcase": ({"name": _ANY, "classname": _ANY, "time": _SECONDS}, [("skipped|failure", 0, 1)]),
    "failure": ({"message": _ANY, "type": _TOKEN}, []),
    "skipped": ({"message": _ANY}, []),
    "system-out": ({}, []),
    "system-err": ({}, []),
}


def _violations(element: ET.Element) -> list[str]:
    """Say what the schema would not accept of an element and all below it."""
    if element.tag not in _SCHEMA:
        return [f"unknown element {element.tag}"]
    attributes, sequence = _SCHEMA[element.tag]
    found = [f"{element.tag}: attributes {set(element.attrib) ^ set(attributes)}"] * (
        set(element.attrib) != set(attributes)
    )
    found += [
        f"{element.tag}.{name} = {element.get(name)!r}"
        for name, pattern in attributes.items()
        if not re.fullmatch(pattern, element.get(name, ""))
    ]
    order = "".join(f"<{child.tag}>" for child in element)
    pattern = "".join(f"(<({tag})>){{{low},{'' if high is None else high}}}" for tag, low, high in sequence)
    found += [f"{element.tag}: children {order}"] * (re.fullmatch(pattern, order) is None)
    mixed = sequence and any((text or "").strip() for text in (element.text, *(child.tail for child in element)))
    found += [f"{element.tag}: text between elements"] * bool(mixed)
    return found + [violation for child in element for violation in _violations(child)]


def _document(found: list[GateCheck], made: Any, **changes: Any) -> ET.Element:
    verdict = Verdict(outcome=Outcome.PASS, policy_sha256="0" * 64, checks=tuple(found), **changes)
    return ET.fromstring(junit_xml(verdict, made.record()).encode())  # noqa: S314  # written by this tool just now


@given(found=st.lists(checks, max_size=6), warnings=st.lists(texts, max_size=2))
def test_a_strict_schema_accepts_every_verdict(found: list[GateCheck], warnings: list[str], made: Any) -> None:
    assert _violations(_document(found, made, warnings=tuple(warnings))) == []


@pytest.mark.parametrize(
    "broken",
    [
        "<testsuite/>",
        "<report/>",
        "<testcase name='a' classname='b' time='0'><error/></testcase>",
        "<testcase name='a' classname='b' time='0' mood='good'/>",
        "<testcase name='a' classname='b' time='soon'/>",
        "<testcase name='a' classname='b' time='0'><skipped message=''/><failure message='' type='x'/></testcase>",
        "<properties>words</properties>",
    ],
)
def test_the_schema_of_these_tests_is_strict(broken: str) -> None:
    assert _violations(ET.fromstring(broken))  # noqa: S314  # a literal of this file


@given(found=st.lists(checks, max_size=6))
def test_every_check_is_a_case_and_the_counts_add_up(found: list[GateCheck], made: Any) -> None:
    suite = _document(found, made)
    cases = suite.findall("testcase")
    assert int(suite.get("tests", "")) == len(cases) == len(found)
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    assert int(suite.get("failures", "")) == sum(check.outcome is Outcome.FAIL for check in found)
    passed = [case for case in cases if not len(case)]
    assert len(passed) == sum(check.outcome is Outcome.PASS for check in found)


def _check(**changes: Any) -> GateCheck:
    fields: dict[str, Any] = {
        "rule": "classes.<&\"'>.change at least 0",
        "candidate": "a<b",
        "observed": 0.5,
        "interval": None,
        "outcome": Outcome.FAIL,
        "reason": "a < b & c",
        "samples_needed": None,
    }
    return GateCheck(**{**fields, **changes})


def test_a_case_says_why(made: Any) -> None:
    doubtful = _check(outcome=Outcome.INCONCLUSIVE, advice="7 more would decide", kind=CheckKind.LOCK)
    failed, skipped = _document([_check(kind=CheckKind.REGRESSION), doubtful], made).findall("testcase")
    assert (failed.get("classname"), failed.get("name")) == ("a<b", "classes.<&\"'>.change at least 0")
    assert (failed[0].get("message"), failed[0].get("type")) == ("a < b & c", "regression")
    assert skipped[0].get("message") == "a < b & c; 7 more would decide"


def test_the_suite_names_run_policy_and_data_and_no_machine(made: Any) -> None:
    suite = _document([_check()], made, against="old-run", warnings=("mind the gap",))
    known = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
    assert known == {
        "run_id": "a-run",
        "outcome": "pass",
        "policy_sha256": "0" * 64,
        "against": "old-run",
        "dataset": "data:test",
        "dataset_sha256": "2" * 64,
        "cpu_target": "x86-64-vnni",
    }
    assert suite.get("timestamp") == "2026-01-02T15:04:05"
    assert "✗ fail: a<b: " in suite.findtext("system-out", "")
    assert suite.findtext("system-err") == "mind the gap"
