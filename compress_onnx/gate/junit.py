"""A verdict as JUnit XML, which every CI server shows: one test case per check and candidate.

Elements and attributes are those that the strict schemas share (Ant's, as windyroad and Jenkins
wrote them down): one ``testsuite`` of ``properties``, ``testcase``s, ``system-out`` and
``system-err``, in this order; ``hostname`` is always ``localhost``, so that no machine is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from compress_onnx.gate.words import check_line, verdict_line
from compress_onnx.records import GateCheck, Outcome, RunRecord, Verdict

# What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(verdict: Verdict, record: RunRecord) -> str:
    """Return the verdict as a JUnit document; failed checks fail, inconclusive ones are skipped."""
    outcomes = [check.outcome for check in verdict.checks]
    suite = ET.Element(
        "testsuite",
        name="compress-onnx gate",
        timestamp=_utc(record.started_at),
        hostname="localhost",
        tests=str(len(outcomes)),
        failures=str(outcomes.count(Outcome.FAIL)),
        errors="0",
        skipped=str(outcomes.count(Outcome.INCONCLUSIVE)),
        time="0",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(verdict, record):
        ET.SubElement(properties, "property", name=_legal(name), value=_legal(value))
    for check in verdict.checks:
        _add_case(suite, check)
    lines = [verdict_line(verdict), *map(check_line, verdict.checks)]
    ET.SubElement(suite, "system-out").text = _legal("\n".join(lines))
    ET.SubElement(suite, "system-err").text = _legal("\n".join(verdict.warnings))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _properties(verdict: Verdict, record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "run_id", record.run_id
    yield "outcome", verdict.outcome.value
    if verdict.policy_sha256:
        yield "policy_sha256", verdict.policy_sha256
    if verdict.against:
        yield "against", verdict.against
    yield "dataset", f"{record.dataset.name}:{record.dataset.split}"
    yield "dataset_sha256", record.dataset.sha256
    yield "cpu_target", record.environment.cpu_target
    for artifact in record.artifacts:
        yield f"artifact_sha256.{artifact.name}", artifact.sha256


def _add_case(suite: ET.Element, check: GateCheck) -> None:
    case = ET.SubElement(suite, "testcase", classname=_legal(check.candidate), name=_legal(check.rule), time="0")
    if check.outcome is Outcome.FAIL:
        ET.SubElement(case, "failure", message=_legal(check.reason), type=check.kind.value)
    elif check.outcome is Outcome.INCONCLUSIVE:
        advice = f"; {check.advice}" if check.advice else ""
        ET.SubElement(case, "skipped", message=_legal(check.reason + advice))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)


def _utc(started_at: str) -> str:
    """Return an ISO time as the schema wants it: seconds, no zone.

    >>> _utc("2026-01-02T15:04:05+01:00")
    '2026-01-02T14:04:05'
    """
    moment = datetime.fromisoformat(started_at)
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
