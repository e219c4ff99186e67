"""What can go wrong by the user's hand: every class here ends a command with exit code 2.

A bug is something else: any other exception ends with exit code 70 and a traceback.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class CompressOnnxError(Exception):
    """Something the user can fix, said in one sentence.

    The message form is *Expected …, got … (where). What to do.*

    >>> str(CompressOnnxError("an ONNX file", "an empty file", where="a.onnx", remedy="Export it again."))
    'Expected an ONNX file, got an empty file (a.onnx). Export it again.'
    """

    def __init__(self, expected: str, got: str, *, where: object = "", remedy: str = "") -> None:
        self.expected, self.got, self.where, self.remedy = expected, got, str(where), remedy
        place = f" ({where})" if str(where) else ""
        advice = f" {remedy}" if remedy else ""
        super().__init__(f"Expected {expected}, got {got}{place}.{advice}")


class ModelError(CompressOnnxError):
    """The ONNX file is missing, broken, or not an image classifier this tool can judge."""


class SelfCheckError(ModelError):
    """A file that a step of this tool made does not compute what it should; it is not handed over."""


class UnsupportedOperatorError(ModelError):
    """The model holds an operator that this stage cannot handle."""


class ParityError(ModelError):
    """The exported file does not compute what the PyTorch module computes."""


class DataError(CompressOnnxError):
    """The images or labels are missing, broken, or do not fit the model."""


class CheckpointError(CompressOnnxError):
    """The trained weights are missing, broken, unsafe to load, or of other shapes."""


class OptionError(CompressOnnxError):
    """An option's value is out of its bounds."""


class UnknownNameError(CompressOnnxError):
    """A network, data set, metric or method of this name does not exist."""


class MissingExtraError(CompressOnnxError):
    """The command needs packages that an optional extra brings."""


class MissingProgramError(CompressOnnxError):
    """The command needs a program that is not on this machine."""


class OutputError(CompressOnnxError):
    """A result cannot be written where it was asked for."""


class RecordError(CompressOnnxError):
    """A record on disk is missing, of another schema version, or not what its schema says."""


class MachineError(CompressOnnxError):
    """Latencies of two different machines cannot be compared."""


class TargetError(CompressOnnxError):
    """The machine or emulator that should run the model cannot be reached, or did not do its work."""


class PolicyError(CompressOnnxError):
    """A gate's policy file cannot be obeyed as written."""


class PluginError(CompressOnnxError):
    """A plug-in could not be loaded."""


class WorkerError(CompressOnnxError):
    """The process that runs a model for this one could not start, died, fell silent, or answered nonsense."""


@contextlib.contextmanager
def naming(file: object) -> Iterator[None]:
    """Let a :class:`ModelError` of the block, which may know a step alone, name the user's file too."""
    try:
        yield
    except ModelError as error:
        if str(file) in error.where:
            raise
        place = f"{file}, {error.where}" if error.where else file
        raise type(error)(error.expected, error.got, where=place, remedy=error.remedy) from error
