"""The border between Python and the shell: errors become sentences and exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence

from compress_onnx.cli.output import command_words, say
from compress_onnx.errors import CompressOnnxError

DONE = 0
GATE_FAILED = 1
USER_CAN_FIX = 2
INCONCLUSIVE = 3
BUG = 70
INTERRUPTED = 130
READER_LEFT = 141


def main() -> None:
    """Run the command line of this process and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a letter gets a question mark, not a failure after the work is done.
            stream.reconfigure(errors="replace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left; what is buffered goes nowhere, and the exit code still says how it ended.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 done or passed, 1 gate failed, 2 the user can fix it (one sentence, no traceback), 3
    inconclusive, 70 a bug (with traceback).
    """
    from compress_onnx.cli.app import app

    command_words.set(tuple(arguments))
    try:
        app(args=list(arguments), prog_name="compress-onnx")
    except SystemExit as leave:
        return _exit_code(leave)
    except CompressOnnxError as error:
        say(f"compress-onnx: {error}")
        return USER_CAN_FIX
    except KeyboardInterrupt:
        say("compress-onnx: interrupted.")
        return INTERRUPTED
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        say(
            f"compress-onnx: Expected a file that can be read or written, got {error.strerror or error}{place}. "
            "Free the place or choose another."
        )
        return USER_CAN_FIX
    except Exception:  # noqa: BLE001  # the border: whatever comes here is a bug, and is shown as one
        say(traceback.format_exc().rstrip())
        say("compress-onnx: this is a bug. Please report it with the lines above.")
        return BUG
    return DONE


def _exit_code(leave: SystemExit) -> int:
    if isinstance(leave.__context__, BrokenPipeError):
        # typer says 1 here, which would read as a failed gate; 141 is the shell's word for it.
        return READER_LEFT
    return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
