"""The package's own files: templates, which escape what they are given, styles and scripts."""

from __future__ import annotations

import functools
import importlib.resources
import json

import jinja2
from markupsafe import Markup

PACKAGE = "compress_onnx.report"


@functools.cache
def environment() -> jinja2.Environment:
    """Return what finds templates by their path below ``report``, beside the module that fills them."""
    loading = jinja2.Environment(
        loader=jinja2.PackageLoader(PACKAGE, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loading.filters["script_json"] = script_json
    return loading


@functools.cache
def asset(name: str) -> Markup:
    """Return a style or script by its path below ``report``, ready to stand in a page."""
    source = importlib.resources.files(PACKAGE).joinpath(name).read_text(encoding="utf-8")
    return Markup(source)  # noqa: S704  # the package's own file


def script_json(value: object) -> Markup:
    r"""Return JSON that no HTML parser can mistake for an end of its script element.

    >>> script_json("</script>")
    Markup('"\\u003c/script\\u003e"')
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704  # made safe by the loop above
