"""The border between Python and the shell: errors become sentences and exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from compress_onnx.cli.terminal import say
from compress_onnx.errors import CompressOnnxError

DONE = 0
GATE_FAILED = 1
USER_CAN_FIX = 2
INCONCLUSIVE = 3
BUG = 70
INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 done or passed, 1 gate failed, 2 the user can fix it (one sentence, no traceback), 3
    inconclusive, 70 a bug (with traceback).
    """
    from compress_onnx.cli.app import app

    try:
        app(args=list(arguments), prog_name="compress-onnx")
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else int(leave.code is not None)
    except CompressOnnxError as error:
        say(f"compress-onnx: {error}")
        return USER_CAN_FIX
    except KeyboardInterrupt:
        say("compress-onnx: interrupted.")
        return INTERRUPTED
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        say(f"compress-onnx: Expected a file that can be read or written, got {error.strerror or error}{place}.")
        return USER_CAN_FIX
    except Exception:  # noqa: BLE001  # the border: whatever comes here is a bug, and is shown as one
        say(traceback.format_exc().rstrip())
        say("compress-onnx: this is a bug. Please report it with the lines above.")
        return BUG
    return DONE
