"""Errors become sentences and exit codes: a user's mistake one line, a bug a traceback."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from compress_onnx.cli.exit_codes import BUG, DONE, INTERRUPTED, READER_LEFT, USER_CAN_FIX
from compress_onnx.cli.output import say
from compress_onnx.errors import CompressOnnxError


def exit_code_of(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; what went wrong is said on stderr.

    0 done or passed, 1 gate failed, 2 the user can fix it (one sentence, no traceback), 3
    inconclusive, 70 a bug (with traceback).
    """
    try:
        command()
    except SystemExit as leave:
        return _exit_code(leave)
    except CompressOnnxError as error:
        say(f"compress-onnx: {error}")
        return USER_CAN_FIX
    except KeyboardInterrupt:
        say("compress-onnx: interrupted.")
        return INTERRUPTED
    except OSError as error:
        say(f"compress-onnx: {_sentence(error)}")
        return USER_CAN_FIX
    except Exception:  # noqa: BLE001  # the edge of the program: whatever comes here is a bug, and is shown as one
        say(traceback.format_exc().rstrip())
        say("compress-onnx: this is a bug. Please report it with the lines above.")
        return BUG
    return DONE


def _sentence(error: OSError) -> str:
    file = f" ({error.filename})" if error.filename else ""
    return (
        f"Expected a file that can be read or written, got {error.strerror or error}{file}. "
        "Free the place or choose another."
    )


def _exit_code(leave: SystemExit) -> int:
    if isinstance(leave.__context__, BrokenPipeError):
        # typer says 1 here, which would read as a failed gate; 141 is the shell's word for it.
        return READER_LEFT
    return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
