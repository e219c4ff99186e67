"""How many cores a compressor's sessions keep busy."""

from __future__ import annotations

import pytest

from compress_onnx.ort.session import compressing_on, quiet_options


def test_sessions_take_every_core_unless_others_keep_them_busy() -> None:
    assert quiet_options().intra_op_num_threads == 0
    with compressing_on(3):
        with compressing_on(1):
            assert quiet_options().intra_op_num_threads == 1
        assert quiet_options().intra_op_num_threads == 3
    with pytest.raises(KeyError), compressing_on(2):
        raise KeyError
    assert quiet_options().intra_op_num_threads == 0
