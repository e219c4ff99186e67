"""Sums on one thread, whichever library makes them."""

from __future__ import annotations

import os

import pytest

from compress_onnx.ort.session import quiet_options
from compress_onnx.study.execute.threads import on_one_thread


def test_libraries_loaded_later_sum_on_one_thread_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with on_one_thread():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
        assert quiet_options().intra_op_num_threads == 1
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ
