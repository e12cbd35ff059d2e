"""A node's files, read and written without waiting for what is no regular file."""

from __future__ import annotations

import errno
import os
import stat

# At most so much of a node's file does read_file take into memory.
READ_LIMIT_BYTES = 64 << 20

# At most so much is read in a node for the agent's own use: accounts, and /etc/skel.
OWN_READ_LIMIT_BYTES = 1 << 20

NOT_REGULAR = "it is no regular file"

NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def open_regular(path: str, further_flags: int = 0) -> int:
    """Open a regular file of the node for writing, made if it is missing.

    A node's root may have put anything there: a pipe that nobody reads is not
    waited for, and a device gets nothing.

    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        fd = os.open(path, flags | further_flags, 0o600)
    except OSError as error:
        # open(2): a pipe without a reader, a socket, a device that is none.
        if error.errno == errno.ENXIO:
            raise OSError(errno.EINVAL, NOT_REGULAR) from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, NOT_REGULAR)
    return fd


def write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def read_in_node(path: str) -> str:
    """Return a small file of the node that this process is in.

    Raises OSError that names it: for what is no regular file, too, and for one of
    more than 1 MiB.

    """
    try:
        content = read_regular(path, None, OWN_READ_LIMIT_BYTES)
    except OSError as error:
        raise type(error)(
            error.errno, f"cannot read {path} of the node: {error.strerror}"
        ) from None
    return content.decode("utf-8", "surrogateescape")


def read_regular(path: str, tail_bytes: int | None, limit: int = READ_LIMIT_BYTES) -> bytes:
    # A node's root may have put anything there, /dev/zero or a terminal even.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, NOT_REGULAR)
        # Files of /proc have content, but no size.
        if tail_bytes is not None and found.st_size:
            limit = min(limit, tail_bytes)
            os.lseek(fd, max(0, found.st_size - limit), os.SEEK_SET)
        parts = []
        left = limit
        while left and (part := os.read(fd, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
        if tail_bytes is None and not left and os.read(fd, 1):
            raise OSError(errno.EFBIG, f"it has more than {limit >> 20} MiB")
    finally:
        os.close(fd)
    content = b"".join(parts)
    return content if tail_bytes is None else content[-tail_bytes:]
