"""What goes into a page's script comes out as it was and ends no element."""

from __future__ import annotations

import json

import pytest

from compress_onnx.report.kit.templates import script_json


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "&lt;"])
def test_script_json_round_trips_without_dangerous_characters(text: str) -> None:
    written = script_json({"key": text})
    assert json.loads(written) == {"key": text}
    assert not set("<>&\u2028\u2029") & set(written)
