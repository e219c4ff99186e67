"""The command line: the only place that prints or exits."""

from compress_onnx.cli.border import main

__all__ = ["main"]
