"""Limits of what a host may write: sizes of its file systems, which are all memory; tmpfs(5).

A neighbour of `host_maker`: standard library only.

"""

from __future__ import annotations

from typing import NamedTuple

# The most that a host may write in all.  It is memory: one host must not take all that the
# machine has.  The small parts are file systems of their own, so that a full disk
# keeps no lab from giving its hosts keys (a thousand hosts' are 100 kB).
DISK_LIMIT_MB = 1024
_LAB_KB = 16 << 10
_SHARED_MEMORY_KB = 64 << 10
_DEVICES_KB = 1 << 10

# Empty files take memory too, some 1 kB each, which no size counts.
_FILES = 1 << 17
_FILES_OF_PARTS = 1 << 12

# Segments of shmget(2), the elder of shm_overview(7), are in no file system: pages of
# 4 kB, as many as in /dev/shm.
SHARED_PAGES = _SHARED_MEMORY_KB // 4


class Sizes(NamedTuple):
    """The sizes of what a host may write: in kB, and how many files."""

    disk_kb: int
    lab_kb: int
    shared_kb: int
    devices_kb: int
    files: int
    files_of_parts: int


def sizes_within(memory_mb: int | None) -> Sizes:
    """Return the sizes for a host whose limit of memory is this; None: it has none.

    Files are memory that no process of its own gives back.  So they end at half of the
    limit, when a disk is full, and not at the limit, where the kernel would kill whatever
    starts in the host from then on.

    >>> sizes_within(64)
    Sizes(disk_kb=23552, lab_kb=4096, shared_kb=4096, devices_kb=1024, files=8192, ...)

    """
    small = _LAB_KB, _SHARED_MEMORY_KB, _DEVICES_KB
    all_kb, files = DISK_LIMIT_MB << 10, _FILES
    if memory_mb is not None:
        all_kb = min(all_kb, memory_mb << 9)
        files = min(files, memory_mb << 7)
    lab_kb, shared_kb, devices_kb = (
        min(size_kb, all_kb // share) for size_kb, share in zip(small, (8, 8, 32), strict=True)
    )
    disk_kb = all_kb - lab_kb - shared_kb - devices_kb
    return Sizes(disk_kb, lab_kb, shared_kb, devices_kb, files, min(_FILES_OF_PARTS, files // 8))


def memory_options(size_kb: int, mode: int, files: int) -> str:
    """The options of a file system in memory that ends somewhere: tmpfs(5)."""
    return f"mode={mode:o},size={size_kb}k,nr_inodes={files}"
