"""Files that a machine has for one process and its children: none is made on a disk."""

from __future__ import annotations

import ctypes
import os

from playground.engines.namespaces.filesystems import mounts

# {path: (mode, what it says)}: whether a host is to see it.  Each folder is one that
# every machine has, and a file system of its own.
FILES = {
    "/etc/profile.d/playground.sh": (0o644, "shown"),
    "/etc/profile.d/token": (0o600, "hidden"),
    "/usr/local/share/words": (0o644, "shown"),
    "/srv/site": (0o644, "hidden"),
    "/var/tmp/file": (0o644, "hidden"),
}
SHOWN = sorted(path for path, (_, text) in FILES.items() if text == "shown")

# A lab of one host, which prints what it sees of them.
LAB = f"""
from playground import *
h1 = Host("h1")
with Lab(h1, engine="namespaces", quiet=True):
    print(h1.run("ls -d {" ".join(FILES)} 2> /dev/null", check=False).stdout)
    print("passwd:", h1.run("head -1 /etc/passwd").stdout)
"""


def plant() -> None:
    """Leave for a mount namespace of this process's own, and mount the files there."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x20000) != 0:  # CLONE_NEWNS, sched.h
        raise OSError(ctypes.get_errno(), "no mount namespace can be made")
    mounts.mount("", "/", "", mounts.MS_REC | mounts.MS_PRIVATE)
    for folder in {os.path.dirname(path) for path in FILES}:
        mounts.mount("tmpfs", folder, "tmpfs", 0, "mode=755")
    for path, (mode, text) in FILES.items():
        with open(path, "x", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, mode)
