"""A policy on a finished run: the verdict goes into its record, its report and ``junit.xml``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from compress_onnx.files import write_text
from compress_onnx.gate.junit import junit_xml
from compress_onnx.gate.policy import Policy
from compress_onnx.gate.verdict import decide
from compress_onnx.records import RunRecord, Verdict
from compress_onnx.store import run_file, save_run
from compress_onnx.study.reports import write_report

JUNIT_FILE = "junit.xml"


def judged_run(run: Path, record: RunRecord, policy: Policy) -> Verdict:
    """Decide a policy on a run and write the verdict beside its other results.

    Errors
    ------
    UnknownNameError
        if a rule names a measure that the run does not have.
    """
    verdict = decide(record, policy)
    folder = run_file(run).parent
    save_run(dataclasses.replace(record, verdict=verdict), folder)
    write_text(folder / JUNIT_FILE, junit_xml(verdict))
    write_report(folder)
    return verdict
