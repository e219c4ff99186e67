"""Boards over ssh: the system's own client, which checks host keys and never asks a question."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from compress_onnx.errors import OptionError, TargetError
from compress_onnx.runtime.targets.target import Target

FORM = "ssh://user@board[:port][/path/to/python]"
CONFIG_VARIABLE = "COMPRESS_ONNX_SSH_CONFIG"
_PYTHON = "python3"
_CONNECT_SECONDS = 10
_OPTIONS = (
    "BatchMode=yes",  # no question, no password prompt
    "StrictHostKeyChecking=yes",  # an unknown or changed host key ends it
    f"ConnectTimeout={_CONNECT_SECONDS}",
    "ServerAliveInterval=15",  # a board that vanished is noticed within a minute
    "ServerAliveCountMax=4",
    "LogLevel=ERROR",
)


def board(text: str) -> Target:
    """Return a board by its address, ``ssh://user@board[:port][/path/to/python]``.

    ``python3`` of the login's path runs there unless a path names another. The client reads the
    user's own ssh configuration, or the file that ``$COMPRESS_ONNX_SSH_CONFIG`` names.

    Errors
    ------
    OptionError
        if the address is of another form.
    TargetError
        if this machine has no ssh client.
    """
    user, host, port, python = parts(text)
    client = shutil.which("ssh")
    if client is None:
        raise TargetError(
            "an ssh client on this machine", "none", where=text, remedy="Install Debian's package openssh-client."
        )
    config = os.environ.get(CONFIG_VARIABLE)
    address = [*(["-p", str(port)] if port else []), f"{user}@{host}" if user else host]
    options = [word for option in _OPTIONS for word in ("-o", option)]
    chosen = ["-F", config] if config else []
    # Two words for ssh: the far end's shell joins what follows the host, so it is quoted for it.
    command = (client, "-T", *chosen, *options, *address[:-1], "--", address[-1], "exec", shlex.quote(python))
    return Target(name=text, command=command, through_shell=True, timed=True, remedies=_remedies(" ".join(address)))


def parts(text: str) -> tuple[str | None, str, int | None, str]:
    """Return user, host, port and Python of an address.

    >>> parts("ssh://pi@board:2222/opt/venv/bin/python")
    ('pi', 'board', 2222, '/opt/venv/bin/python')
    >>> parts("ssh://board")
    (None, 'board', None, 'python3')
    """
    try:
        split = urlsplit(text)
        host, port = split.hostname or "", split.port
    except ValueError as error:
        raise OptionError(FORM, repr(text), where="--target") from error
    user = split.username
    fits = re.fullmatch(r"[A-Za-z0-9_][\w.:%-]*", host) and (user is None or re.fullmatch(r"[\w.][\w.-]*", user))
    if split.scheme != "ssh" or not fits or split.query or split.fragment or split.password:
        raise OptionError(FORM, repr(text), where="--target")
    return user, host, port, unquote(split.path) if len(split.path) > 1 else _PYTHON


def _remedies(address: str) -> MappingProxyType[str, str]:
    by_hand = f"Try it by hand: ssh {address} true."
    return MappingProxyType(
        {
            "Host key verification failed": f"Compare the board's host key with the board itself, then accept it once: "
            f"ssh {address} true.",
            "Permission denied": f"Give the board your public key: ssh-copy-id {address}.",
            "not found": f"Name the board's Python: {FORM}.",
            "No such file or directory": f"Name the board's Python: {FORM}.",
            "": by_hand,
        }
    )
