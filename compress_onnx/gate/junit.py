"""A verdict as JUnit XML, which every CI server shows: one test case per rule and candidate."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from compress_onnx.records import GateCheck, Outcome, Verdict


def junit_xml(verdict: Verdict) -> str:
    """Return the verdict as a JUnit document; failed rules fail, inconclusive ones are skipped."""
    failures = sum(check.outcome is Outcome.FAIL for check in verdict.checks)
    skipped = sum(check.outcome is Outcome.INCONCLUSIVE for check in verdict.checks)
    suite = ET.Element(
        "testsuite",
        name="compress-onnx gate",
        tests=str(len(verdict.checks)),
        failures=str(failures),
        errors="0",
        skipped=str(skipped),
    )
    for check in verdict.checks:
        _add_case(suite, check)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, check: GateCheck) -> None:
    case = ET.SubElement(suite, "testcase", classname=check.candidate, name=check.rule)
    if check.outcome is Outcome.FAIL:
        ET.SubElement(case, "failure", message=check.reason)
    elif check.outcome is Outcome.INCONCLUSIVE:
        needed = f"; about {check.samples_needed} samples would decide" if check.samples_needed else ""
        ET.SubElement(case, "skipped", message=check.reason + needed)
