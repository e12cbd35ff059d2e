"""Files put into nodes and taken out of them."""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from playground.agent.kernel.ids import give_to
from playground.agent.nodes.entering import inside
from playground.agent.nodes.regular_files import (
    NEW_FILE,
    open_regular,
    read_regular,
    write_all,
)
from playground.agent.nodes.users import find_account, find_group
from playground.agent.protocol import Request

# Where a lab of bare namespaces keeps what all its nodes see alike, and cannot change; and under
# which paths they have it: links into this folder.
COMMON = "/run/playground/common"
COMMON_FILES = ("/run/playground/ssh_known_hosts",)


def share_files(files: Sequence[Request]) -> None:
    """Put files, each whole and at once, where all nodes of the lab see them."""
    for entry in files:
        path = entry["path"]
        if path not in COMMON_FILES:
            raise ValueError(f"{path} is no file that nodes have in common")
        place = f"{COMMON}/{os.path.basename(path)}"
        # A file of its own each time: see `engines.namespaces.filesystems.common_files`.
        new = f"{place}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):  # of one that was killed meanwhile
            os.unlink(new)
        fd = os.open(new, NEW_FILE, 0o644)
        try:
            write_all(fd, base64.b64decode(entry["content"]))
            os.fchmod(fd, 0o644)
        finally:
            os.close(fd)
        os.replace(new, place)


def files(nodes: Sequence[Request], contents: Sequence[str] = ()) -> None:
    for node, decoded in with_contents(nodes, contents):
        with inside(node["pid"]):
            write_files(node, decoded)


class Content(NamedTuple):
    """What is to be in a file, and what the lab has written there before, None where nothing."""

    new: bytes
    old: bytes | None

    def in_place_of(self, path: str) -> bytes:
        """Return what to write into a file of the node that this process is in.

        What somebody has added to what the lab wrote stays.

        """
        if self.old is None:
            return self.new
        try:
            now = read_regular(path, None)
        except FileNotFoundError:
            return self.new
        return merged(now, self.old, self.new)


def merged(now: bytes, old: bytes, new: bytes) -> bytes:
    """Change a text from `old` to `new` and keep the lines that somebody has added since.

    >>> merged(b"1 a\\n9 mine\\n", b"1 a\\n", b"1 a\\n2 b\\n")
    b'1 a\\n2 b\\n9 mine\\n'

    """
    if now == old:
        return new
    before = set(old.splitlines())
    kept = [line for line in now.splitlines() if line not in before]
    return b"".join(line + b"\n" for line in (*new.splitlines(), *kept))


def with_contents(
    nodes: Sequence[Request], contents: Sequence[str]
) -> Iterator[tuple[Request, list[Content]]]:
    """Yield each node with what is to be in its files."""
    shared = [base64.b64decode(content) for content in contents]

    def decoded(content: int | str) -> bytes:
        return shared[content] if isinstance(content, int) else base64.b64decode(content)

    for node in nodes:
        # Decoded before: codecs and the like must not be looked for inside.
        yield (
            node,
            [
                Content(
                    decoded(entry["content"]), decoded(entry["old"]) if "old" in entry else None
                )
                for entry in node["files"]
            ],
        )


def write_files(node: Request, decoded: Sequence[Content]) -> None:
    """Write a node's files, inside of it."""
    for entry, content in zip(node["files"], decoded, strict=True):
        try:
            _write_file(entry, content.in_place_of(entry["path"]))
        except OSError as error:
            if entry.get("optional"):
                continue
            raise type(error)(
                error.errno,
                f"cannot write {entry['path']} in the node of pid {node['pid']}: {error.strerror}",
            ) from None


def _write_file(entry: Request, content: bytes) -> None:
    path = entry["path"]
    if not path.startswith("/"):
        raise OSError(errno.EINVAL, "the path must begin with /")
    append = entry.get("append", False)
    if append and entry.get("optional") and not os.path.isfile(path):
        return  # nobody reads it there
    if path.endswith("/"):
        os.makedirs(path, 0o755, exist_ok=True)
        return  # it was to be there, and no more
    mode = entry.get("mode", 0o644)
    # Asked before where it matters: a file that is there keeps its owner and mode.
    there = mode is None and os.path.exists(path)
    fd = _open(path, append)
    try:
        write_all(fd, content)
        if not there:
            uid, gid = entry.get("uid", 0), entry.get("gid", 0)
            give_to(
                fd,
                find_account(uid).uid if isinstance(uid, str) else uid,
                find_group(gid) if isinstance(gid, str) else gid,
            )
            # After the change of owner, which clears set-user-id bits.
            os.fchmod(fd, 0o644 if mode is None else mode)
    finally:
        os.close(fd)


def _open(path: str, append: bool) -> int:
    """Open a file for all that it is to hold, or more of it, made with its folders if missing.

    Most are new, so nothing is asked before: that would be four calls of the kernel more.

    """
    try:
        return os.open(path, NEW_FILE, 0o600)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(path.rpartition("/")[0], 0o755, exist_ok=True)
    # A link that leads nowhere is there too: the file is made where it leads.
    return open_regular(path, os.O_APPEND if append else os.O_TRUNC)


def file_kind(pid: int, path: str) -> str:
    """Return "file" or "directory", or "" for what is not there, or is neither."""
    with inside(pid):
        if os.path.isdir(path):
            return "directory"
        return "file" if os.path.isfile(path) else ""


def read_file(pid: int, path: str, tail_bytes: int | None = None) -> str:
    if tail_bytes is not None and tail_bytes < 1:
        raise ValueError(f"tail_bytes is {tail_bytes}, and must be 1 or more")
    with inside(pid):
        try:
            content = read_regular(path, tail_bytes)
        except OSError as error:
            raise type(error)(
                error.errno, f"cannot read {path} in the node: {error.strerror}"
            ) from None
    return base64.b64encode(content).decode()


# In the order in which a shell looks for programs.
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_MOST_PROGRAM_BYTES = 64 << 20


def changed_programs(pid: int, names: Sequence[str]) -> dict[str, str]:
    """Return which programs of a node are not those that the agent itself sees.

    A file of a lower layer keeps the time of its last change of state (st_ctime, inode(7)),
    which nobody can set; only where that differs are bytes compared.

    """
    found = {}
    for name in names:
        own = _open_program(name)
        with inside(pid):
            there = _open_program(name)
        try:
            if there is not None and (own is None or not _is_same(own, there)):
                found[name] = "added" if own is None else "changed"
        finally:
            for fd in (own, there):
                if fd is not None:
                    os.close(fd)
    return found


def _open_program(name: str) -> int | None:
    """Open the file that is run by a name; what is there and is no file is none's."""
    for place in (name,) if name.startswith("/") else (f"{folder}/{name}" for folder in _PATH):
        with contextlib.suppress(OSError):
            return os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    return None


def _is_same(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    if not stat.S_ISREG(second.st_mode) or first.st_size != second.st_size:
        return False
    if first.st_ctime_ns == second.st_ctime_ns:
        return True
    return first.st_size <= _MOST_PROGRAM_BYTES and _digest(one) == _digest(other)


def _digest(fd: int) -> bytes:
    digest, at = hashlib.sha256(), 0
    while at < _MOST_PROGRAM_BYTES and (part := os.pread(fd, 1 << 20, at)):
        digest.update(part)
        at += len(part)
    return digest.digest()
