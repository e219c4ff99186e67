"""JUnit documents that CI servers read."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.gate.junit import junit_xml
from compress_onnx.records import GateCheck, Outcome, Verdict

checks = st.builds(
    GateCheck,
    rule=st.sampled_from(["flips.rate at most 0.02", "classes.<&\"'>.change at least 0"]),
    candidate=st.sampled_from(["w8a8", "a<b", "größe"]),
    observed=st.none() | st.floats(0, 1),
    interval=st.none(),
    outcome=st.sampled_from(Outcome),
    reason=st.sampled_from(["the interval [0, 1] holds the limit", "a < b & c"]),
    samples_needed=st.none() | st.integers(1, 10**9),
)


def _document(found: list[GateCheck]) -> ET.Element:
    verdict = Verdict(outcome=Outcome.PASS, policy_sha256="0" * 64, checks=tuple(found))
    return ET.fromstring(junit_xml(verdict).encode())  # noqa: S314  # written by this tool just now


@given(found=st.lists(checks, max_size=6))
def test_every_check_is_a_case_and_the_counts_add_up(found: list[GateCheck]) -> None:
    suite = _document(found)
    cases = suite.findall("testcase")
    assert [(case.get("classname"), case.get("name")) for case in cases] == [(c.candidate, c.rule) for c in found]
    assert int(suite.get("tests", "")) == len(cases)
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped"))
    assert int(suite.get("failures", "")) == sum(check.outcome is Outcome.FAIL for check in found)
    passed = [case for case in cases if not len(case)]
    assert len(passed) == sum(check.outcome is Outcome.PASS for check in found)


@given(check=checks)
def test_a_case_says_why(check: GateCheck) -> None:
    case = _document([check])[0]
    if check.outcome is Outcome.PASS:
        assert not len(case)
        return
    message = case[0].get("message", "")
    assert message.startswith(check.reason)
    in_doubt = check.outcome is Outcome.INCONCLUSIVE and check.samples_needed is not None
    assert (f"about {check.samples_needed} samples would decide" in message) == in_doubt
