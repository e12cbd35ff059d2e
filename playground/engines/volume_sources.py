"""Sources of volumes: files and folders of the machine, opened with no link on the way.

Links that a path has when a host is declared are followed there, once.  One that has come
since may be another's work, of a host's root with a writable volume for example, and leads
where nobody has named.  Only the standard library: `filesystems.volumes` runs beside hosts.

"""

from __future__ import annotations

import errno
import os
import stat

# Without O_PATH (macOS, with an engine in a virtual machine) a folder is opened to be read.
_PATH = getattr(os, "O_PATH", os.O_RDONLY | os.O_NONBLOCK) | os.O_NOFOLLOW | os.O_CLOEXEC


def open_without_links(path: str) -> int:
    """Return a descriptor of what stands at an absolute path, which names no links.

    Raises OSError where a link has come since it was named, or where it is gone.

    """
    found = os.open("/", _PATH)
    for part in filter(None, path.split("/")):
        above = found
        try:
            found = os.open(part, _PATH, dir_fd=above)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _replaced(path) from None
            raise OSError(error.errno, f"the volume {path}: {error.strerror}") from None
        finally:
            os.close(above)
        if stat.S_ISLNK(os.fstat(found).st_mode):
            os.close(found)
            raise _replaced(path)
    return found


def refuse_links(path: str) -> None:
    """Raise OSError where a link stands on the way of a path, or where it is gone.

    Who may write there may still put one there before whoever asked opens the path again.

    """
    os.close(open_without_links(path))


def _replaced(path: str) -> OSError:
    return OSError(errno.ELOOP, f"the volume {path} was replaced by a link")
