"""Files of a node whose image is the user's: its programs may have no shell, cat or tar.

The agent reads and writes them, as root of the node.

"""

from __future__ import annotations

import base64
import errno
import posixpath
import stat
from pathlib import Path
from typing import Any

from playground.errors import AgentError, AgentGone, TransferFailed
from playground.operations.connection.handles import Node

# As much as one message of the agent's line carries well.
_MOST_BYTES = 64 << 20


def write(node: Node, path: str, data: bytes, mode: int | None, append: bool) -> None:
    """Write a file; an existing one keeps its mode unless another is given."""
    file = {
        "path": _absolute(path),
        "content": base64.b64encode(data).decode(),
        "append": append,
        "mode": mode,
    }
    _call(
        node,
        f"{path} on {node.name} cannot be written",
        "files",
        nodes=[{"pid": node.running().pid, "files": [file]}],
    )


def read(node: Node, path: str, limit_bytes: int | None) -> bytes:
    """Return what a regular file holds."""
    sentence = f"{path} on {node.name} cannot be read"
    live = node.running()
    # One byte more tells that there is more.
    end = None if limit_bytes is None else limit_bytes + 1
    answer = _call(node, sentence, "read_file", pid=live.pid, path=_absolute(path), tail_bytes=end)
    content = base64.b64decode(answer)
    if limit_bytes is not None and len(content) > limit_bytes:
        raise TransferFailed(
            f"{sentence}: it has more than {limit_bytes / 1e6:g} MB; allow more with "
            "limit_mb=..., or copy it with get()"
        )
    return content


def put(node: Node, source: Path, remote: str) -> str:
    """Copy a file to the node, and return its path there."""
    target = _absolute(remote)
    if remote.endswith("/") or kind(node, target) == "directory":
        target = posixpath.join(target, source.resolve().name)
    try:
        data = source.read_bytes()
        mode = stat.S_IMODE(source.stat().st_mode)
    except OSError as error:
        raise TransferFailed(f"{str(source)!r} cannot be read: {error}") from error
    if len(data) > _MOST_BYTES:
        raise TransferFailed(
            f"{str(source)!r} has more than {_MOST_BYTES >> 20} MiB, and an image of your own "
            "takes no more in one file: make it part of the image, or of volumes="
        )
    write(node, target, data, mode, append=False)
    return target


def get(node: Node, remote: str, target: Path) -> bool:
    """Copy a file of the node here; False for what is none, which takes the image's own tar."""
    if kind(node, _absolute(remote)) == "directory":
        return False
    content = read(node, remote, None)
    try:
        target.write_bytes(content)
    except OSError as error:
        raise TransferFailed(
            f"{remote} of {node.name} cannot be written to {target}: {error}"
        ) from error
    return True


def kind(node: Node, path: str) -> str:
    """Return "file" or "directory", or "" for what is not there, or is neither."""
    sentence = f"{path} on {node.name} cannot be looked at"
    return str(_call(node, sentence, "file_kind", pid=node.running().pid, path=path))


def _absolute(path: str) -> str:
    return path if path.startswith("/") else posixpath.join("/", path)


def _call(node: Node, sentence: str, op: str, **arguments: Any) -> Any:
    try:
        return node.running().agent.call(op, **arguments)
    except AgentGone:
        raise
    except AgentError as error:
        if error.errno in (None, errno.ESRCH):
            raise
        raise TransferFailed(f"{sentence}: {str(error).rpartition(': ')[2]}") from error
