"""Patterns are a shell's, and one that matches nothing names what is near."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compress_onnx.compress.pruning.prunable import excluded
from compress_onnx.errors import OptionError

NAMES = ["conv1.weight", "conv2.weight", "fc.weight", "fc.bias"]


@pytest.mark.parametrize("pattern", ["conv*", "*.weight", "fc.?ias", "conv[12].weight", "fc.weight"])
def test_a_pattern_matches_what_a_shell_matches(tmp_path: Path, pattern: str) -> None:
    for name in NAMES:
        (tmp_path / name).touch()
    shell = subprocess.run(
        ["/bin/sh", "-c", f"echo {pattern}"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert excluded(NAMES, [pattern]) == set(shell.stdout.split())


def test_several_patterns_add_up_and_none_excludes_nothing() -> None:
    assert excluded(NAMES, ["conv1*", "fc.b*"]) == {"conv1.weight", "fc.bias"}
    assert excluded(NAMES, []) == frozenset()


def test_a_pattern_without_a_match_is_refused_with_near_names() -> None:
    with pytest.raises(
        OptionError, match=r"got 'fc\.wieght'.*Did you mean fc\.weight or .*Weights: conv1\.weight, conv2"
    ):
        excluded(NAMES, ["fc.wieght"])
    with pytest.raises(OptionError, match="Weights: none"):
        excluded([], ["*"])
