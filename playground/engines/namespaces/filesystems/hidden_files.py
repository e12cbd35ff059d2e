"""Files of the kernel that a host must not see, or not write: proc(5), sysfs(5).

A neighbour of `host_maker`: standard library, `agent`, `mounts` and `disk_limits`.

"""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
from typing import NamedTuple

from playground.agent.kernel.call_list import CallList
from playground.engines.namespaces.filesystems.disk_limits import SHARED_PAGES
from playground.engines.namespaces.filesystems.mounts import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    in_user_namespace,
)

# As moby has them (daemon/pkg/oci/defaults.go), and the addresses of the kernel's own
# memory: what tells of the machine, and what would change it.
MASKED_FILES = (
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/interrupts",
    "/proc/vmallocinfo",
)
MASKED_FOLDERS = (
    # First, for every kernel has it: drivers/base/firmware.c.
    "/sys/firmware",
    "/proc/acpi",
    "/proc/asound",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    # Not moby's: root's alone, and for root the kernel takes a host's.  Serial numbers;
    # what the kernel's memory is used for; a watch of what programs use.
    "/sys/devices/virtual/dmi",
    "/sys/kernel/slab",
    "/sys/kernel/mm/damon",
)
# From how hot it is follows what its other programs do: GHSA-6fw5-f8r9-fgfm of moby.
_THERMAL = re.compile(r"cpu\d+")
_PROCESSORS = "/sys/devices/system/cpu"
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger", "/proc/sys")
# The network's settings are the host's own; but for these, which are all networks'.
_WRITABLE = "/proc/sys/net"
_OF_ALL_NETWORKS = ("/proc/sys/net/netfilter/nf_hooks_lwtunnel",)


def list_hidden(calls: CallList) -> None:
    """List what hides what tells of the machine, and makes read-only what would change it.

    What this kernel does not have is passed over.

    """
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    if not in_user_namespace():  # it may not
        pages = str(SHARED_PAGES).encode()
        # CONFIG_SYSVIPC
        calls.write("/proc/sys/kernel/shmall", pages, unless=errno.ENOENT)
    further = not_for_hosts()
    # A mount of its own, which stays as it is below the one of all settings.
    calls.mount(_WRITABLE, _WRITABLE, "", MS_BIND, unless=errno.ENOENT)
    for path in (*_READ_ONLY, *further.writable, *_OF_ALL_NETWORKS):
        calls.mount(path, path, "", MS_BIND | MS_REC, unless=errno.ENOENT)
        calls.mount("", path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | flags, unless=errno.ENOENT)
    for path in (*MASKED_FILES, *further.closed):
        calls.mount("/dev/null", path, "", MS_BIND, unless=errno.ENOENT)
    # One empty folder is shown in all places: a file system for each takes twice as long to make.
    empty, *others = MASKED_FOLDERS
    calls.mount("tmpfs", empty, "tmpfs", flags | MS_RDONLY, "size=0k")
    for path in (*others, *thermal_folders()):
        calls.mount(empty, path, "", MS_BIND, unless=errno.ENOENT)


class OfTheMachine(NamedTuple):
    """Files of /proc that are the machine's: those closed to strangers, and writable ones."""

    closed: tuple[str, ...]
    writable: tuple[str, ...]


@functools.cache
def not_for_hosts(proc: str = "/proc") -> OfTheMachine:
    """Return what the kernel would let a host read, or write, as a file of root's.

    To many of its files the kernel asks for the user alone, and a host's root is the
    machine's: which page of memory is used how (kpageflags), say, or which messages the
    kernel writes (dynamic_debug).  Kernels differ in what they have, so it is looked up.

    """
    known = {*_READ_ONLY, *MASKED_FILES, *MASKED_FOLDERS}
    closed, writable = [], []
    for name in sorted(os.listdir(proc)):
        path = f"{proc}/{name}"
        if name.isdigit() or f"/proc/{name}" in known or os.path.islink(path):
            continue
        try:
            mode = os.stat(path).st_mode
            inner = os.listdir(path) if stat.S_ISDIR(mode) else []
        except OSError:
            continue  # it went with its module, or is closed to this user and so to hosts
        if stat.S_ISDIR(mode):
            if any(_is_writable(f"{path}/{name}") for name in inner):
                writable.append(path)
        elif not mode & stat.S_IROTH:
            closed.append(path)
        elif mode & _WRITE_BITS:
            writable.append(path)
    return OfTheMachine(tuple(closed), tuple(writable))


_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def _is_writable(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & _WRITE_BITS)


@functools.cache
def thermal_folders(processors: str = _PROCESSORS) -> tuple[str, ...]:
    """Return where the machine counts how often each processor was too hot."""
    folders = (
        f"{processors}/{name}/thermal_throttle"
        for name in sorted(os.listdir(processors))
        if _THERMAL.fullmatch(name)
    )
    return tuple(folder for folder in folders if os.path.isdir(folder))
