"""Privileges: what this process may do with namespaces, and what the kernel lacks for it.

See capabilities(7), user_namespaces(7).

"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# The namespaces of a process, made and entered by pidfd: pidfd_open(2).
MINIMUM_KERNEL = (5, 3)
# An overlay in a user namespace: fs/overlayfs/super.c, FS_USERNS_MOUNT.
MINIMUM_KERNEL_WITHOUT_ROOT = (5, 11)

_CAP_SYS_ADMIN = 21

# The agent's tables of system calls; to import it takes longer than a small lab's start.
_FILTERED = {("x86_64", 8), ("aarch64", 8)}

# Debian's switch; Ubuntu's since 23.10; the kernel's own number of them.
_SETTINGS = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "15000"),
)


def is_root() -> bool:
    """Whether this is the machine's root, with all its ids and its power over mounts.

    Root of a container may be neither: it is then no more than an ordinary user.

    """
    if os.geteuid() != 0:
        return False
    with suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text()
        held = next(line for line in status.splitlines() if line.startswith("CapEff:"))
        ids = Path("/proc/self/uid_map").read_text().split()
        return bool(int(held.split()[1], 16) >> _CAP_SYS_ADMIN & 1) and ids == _ALL_IDS
    return False


_ALL_IDS = ["0", "0", "4294967295"]


def kernel_refused(release: str, root: bool) -> str:
    """Return why a kernel of this release is too old, "" if it is not.

    >>> kernel_refused("4.19.0-27-amd64", root=True)
    'bare namespaces need Linux 5.3, and this is 4.19: use a Docker engine, ...'

    """
    found = re.match(r"(\d+)\.(\d+)", release)
    least = MINIMUM_KERNEL if root else MINIMUM_KERNEL_WITHOUT_ROOT
    if found is None or (int(found[1]), int(found[2])) >= least:
        return ""
    whose = "" if root else " without root"
    return (
        f"bare namespaces{whose} need Linux {least[0]}.{least[1]}, and this is {found[0]}: use a "
        'Docker engine, Lab(engine="docker")'
    )


def filter_refused(machine: str, word_bytes: int) -> str:
    """Return why hosts would run without a filter of system calls here, "" if they would not.

    ``word_bytes`` are those of a pointer in this Python: one of 32 bits makes other
    calls than the kernel's machine, and a filter without them would kill it.

    """
    if (machine, word_bytes) in _FILTERED:
        return ""
    what = machine if word_bytes == 8 else f"a Python of {8 * word_bytes} bits on {machine}"
    return (
        f"there is no filter of system calls for {what}, and without one hosts would be open to "
        'the machine: use a Docker engine, Lab(engine="docker")'
    )


def user_namespaces_refused(tried: bool = False) -> str:
    """Return why this user cannot make user namespaces here, with what to do; "" if it can.

    With ``tried`` it was tried and refused, and there is always an answer.

    """
    if is_root():
        # Each host has one of its own: see `namespaces.user_namespaces`.
        with suppress(OSError):
            if Path("/proc/sys/user/max_user_namespaces").read_text().strip() != "0":
                return ""
        return (
            "each host has a user namespace of its own, and this machine allows none: run "
            "`sysctl -w user.max_user_namespaces=15000`, or use a Docker engine"
        )
    for setting, bad, value in _SETTINGS:
        with suppress(OSError):
            if Path("/proc/sys", setting.replace(".", "/")).read_text().strip() == bad:
                return (
                    "an ordinary user may not make user namespaces on this machine: let root run "
                    f"`sysctl -w {setting}={value}`, {run_as_root()}, or use a Docker engine"
                )
    if tried:
        return (
            "this program may not make user namespaces: whatever it runs in, a container or a "
            "sandbox, forbids it; run it outside of that, as root, or use a Docker engine"
        )
    return ""


def run_as_root() -> str:
    """Return "run this as root", with the command that does so for this program.

    It keeps the virtual environment, whose folder is not in the path that sudo(8) sets.

    >>> run_as_root()
    'run this as root (`sudo /home/ann/.venv/bin/python lab.py`)'

    """
    command = command_as_root(
        sys.executable, sys.orig_argv[1:], "ipykernel" in sys.modules, shutil.which("sudo") is None
    )
    return f"run this as root (`{command}`)" if command else "run this as root"


def command_as_root(
    executable: str, arguments: Sequence[str], in_notebook: bool, without_sudo: bool
) -> str:
    """Return the command that runs a program of Python's as root, "" where none is worth reading.

    ``arguments`` are all that Python was started with.  A notebook runs where JupyterLab does.

    >>> command_as_root("/venv/bin/python", ["lab.py"], False, without_sudo=True)
    "su -c '/venv/bin/python lab.py'"

    """
    if not executable:
        return ""
    command = [executable, *arguments]
    beside = os.path.dirname(executable)
    if in_notebook:
        command = [os.path.join(beside, "jupyter"), "lab", "--allow-root"]
    elif len(command) > 1 and os.path.dirname(command[1]) == beside:
        # A script that was installed beside Python starts it by its first line.
        del command[0]
    line = shlex.join(command)
    if len(line) > _LONGEST_LINE or not line.isprintable():
        return ""
    return f"su -c {shlex.quote(line)}" if without_sudo else f"sudo {line}"


# Who runs a program by `python -c` knows how.
_LONGEST_LINE = 200
