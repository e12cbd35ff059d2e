"""Places in a host's root: found part by part, so that no link leads out of it.

A neighbour of `host_maker`: standard library only.

A host's files are strangers': a link in them may climb ("../../.."), lead to nothing, or name
a descriptor of who follows it (/proc/self/fd/3, whose ".." are the machine's folders).  So the
kernel follows none here.  A link's text is read and walked as further parts, ".." ends at the
root, as in a chroot(2) whose process has no folder open outside; cf. RESOLVE_IN_ROOT of openat2(2).

"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

# path_resolution(7)
_LINKS = 40

_PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """An open file or folder (O_PATH), and its path without links or "..", from "/" on."""

    descriptor: int
    path: str

    @property
    def name(self) -> str:
        """What mount(2) takes for it, once more without a link on the way."""
        return f"/proc/self/fd/{self.descriptor}"


@contextlib.contextmanager
def made_place(path: str, folder: bool = True, root: str = "/") -> Iterator[Place]:
    """Yield what stands at a path of this root, and make what is missing of it.

    Folders that are made are open to all (0755), and so is the empty file (0644) at the end
    where no ``folder`` is asked for.  A link that leads to nothing has its target made.
    Raises OSError: ELOOP, ENOTDIR, or what making says.

    """
    opened, names, links = [os.open(root, _PATH)], list[str](), 0
    parts = deque(path.split("/"))
    try:
        while parts:
            part = parts.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                if names:
                    names.pop()
                    os.close(opened.pop())
                continue
            found = _open_or_make(part, opened[-1], folder or any(parts))
            mode = os.fstat(found).st_mode
            if stat.S_ISLNK(mode):
                try:
                    to = os.readlink("", dir_fd=found)
                finally:
                    os.close(found)
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if to.startswith("/"):
                    while names:
                        names.pop()
                        os.close(opened.pop())
                parts.extendleft(reversed(to.split("/")))
                continue
            opened.append(found)
            names.append(part)
            if not stat.S_ISDIR(mode) and (folder or any(parts)):
                file = f"/{'/'.join(names)}"
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), file)
        yield Place(opened[-1], "/" + "/".join(names))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _open_or_make(part: str, above: int, folder: bool) -> int:
    with contextlib.suppress(FileNotFoundError):
        return os.open(part, _PATH, dir_fd=above)
    if folder:
        os.mkdir(part, 0o755, dir_fd=above)
    else:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open(part, flags, 0o644, dir_fd=above))
    return os.open(part, _PATH, dir_fd=above)
