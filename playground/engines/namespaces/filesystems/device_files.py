"""Device files of a host: harmless ones, and terminals of its own; devices.txt of the kernel.

A neighbour of `host_maker`: standard library, `agent`, `model`, `mounts` and `disk_limits`.

"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from playground.agent.kernel.call_list import CallList
from playground.engines.namespaces.filesystems.disk_limits import Sizes, memory_options
from playground.engines.namespaces.filesystems.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REMOUNT,
    in_user_namespace,
    mount,
)
from playground.model.containers.capabilities import HARMLESS_DEVICES

# Their numbers are Documentation/admin-guide/devices.txt of the kernel.
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}

# Of the machine's, which are 4096 in all: /proc/sys/kernel/pty/max.
_TERMINALS = 256

# The hosts' device files.  The machine's own would be changed by a chmod in a host.
_LAB_DEVICES = "/run/playground/dev"


def make_lab_devices() -> None:
    os.mkdir(_LAB_DEVICES)
    flags = MS_NOSUID | MS_NOEXEC
    mount("tmpfs", _LAB_DEVICES, "tmpfs", flags, "mode=755")
    for name, numbers in _DEVICES.items():
        path = f"{_LAB_DEVICES}/{name}"
        os.mknod(path, stat.S_IFCHR, os.makedev(*numbers))
        os.chmod(path, 0o666)
    for device in HARMLESS_DEVICES:
        with contextlib.suppress(OSError):
            found = os.stat(device)
            if stat.S_ISCHR(found.st_mode):
                path = _LAB_DEVICES + device.removeprefix("/dev")
                os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
                os.mknod(path, stat.S_IFCHR, found.st_rdev)
                os.chmod(path, stat.S_IMODE(found.st_mode))
    # Wherever they are bound to, nobody changes them: a device may be written all the same.
    mount("", _LAB_DEVICES, "", MS_REMOUNT | MS_RDONLY | flags)


def list_devices(calls: CallList, sizes: Sizes, further: Sequence[str]) -> None:
    """List what fills the host's /dev: harmless devices, and terminals of its own.

    To be done in the folder that is to be the host's root.

    """
    # nodev on the folder, not on what is bound into it: a device file that the
    # host makes here is of no use to it.
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    options = memory_options(sizes.devices_kb, 0o755, sizes.files_of_parts)
    calls.mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NODEV, options)
    # In a user namespace no device can be made; nor can the machine's be changed.
    source = "/dev" if in_user_namespace() else _LAB_DEVICES
    folders = {"dev"}
    for name in (*_DEVICES, *(path.removeprefix("/dev/") for path in further)):
        *above, _ = f"dev/{name}".split("/")
        for length in range(2, len(above) + 1):
            folder = "/".join(above[:length])
            if folder not in folders:
                folders.add(folder)
                calls.make_folder(folder, 0o755)
        calls.make_file(f"dev/{name}", 0o666)
        calls.mount(f"{source}/{name}", f"dev/{name}", "", MS_BIND)
    for folder in ("pts", "shm", "mqueue"):
        calls.make_folder(f"dev/{folder}")
    terminals = f"newinstance,ptmxmode=0666,mode=0620,max={_TERMINALS}"
    if not in_user_namespace():
        terminals += ",gid=5"  # Debian's group tty
    calls.mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, terminals)
    options = memory_options(sizes.shared_kb, 0o1777, sizes.files_of_parts)
    calls.mount("tmpfs", "dev/shm", "tmpfs", flags, options)
    calls.mount("mqueue", "dev/mqueue", "mqueue", flags)
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        calls.make_link(f"dev/{name}", target)
