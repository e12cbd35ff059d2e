"""The filter of system calls.

An engine starts a container under a filter (seccomp(2)), and what a filter
forbids is inherited; but a filter is the kernel's compiled program, which one
process cannot take over from another.  So what enters a node under a filter
gets this one.  It denies what Docker's own profile denies (profiles/seccomp of
moby) and lack of capabilities does not: above all new user namespaces, in
which everybody has all capabilities, and much of the kernel is in reach.

"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
from collections.abc import Iterator

from playground.agent.kernel.syscalls import CLONE_NEWUSER, prctl

# Set by an engine whose nodes' first processes have no filter of their own.
CONFINE_ALL = os.environ.get("PLAYGROUND_SECCOMP") == "1"

# linux/prctl.h, linux/seccomp.h
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_KILL_PROCESS = 0x80000000
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000

# linux/bpf_common.h: load a word, jump if equal, at least, or any bit set; return.
_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

# Offsets in struct seccomp_data; the first argument's lower half, for both
# kinds of machine are little-endian.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

# The kernel's second table of x86_64 for programs with 32-bit pointers.
_X32 = 0x40000000

# By unistd_64.h of x86 and asm-generic/unistd.h: the numbers for x86_64 and aarch64,
# None where there is no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # Keys of other programs: keyrings(7) belong to users, not to containers.
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # Programs inside the kernel, and looks at its inner life.
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "lookup_dcookie": (212, 18),
    # Work for the kernel's own threads, past filters such as this one.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # Another kernel, more of this one, and files without a path; these take
    # capabilities as well.
    "create_module": (174, None),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "get_kernel_syms": (177, None),
    "query_module": (178, None),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "open_by_handle_at": (304, 265),
}
# Files in memory without a name: no size of a file system limits them, and of who has
# them the kernel does not think when it is out of memory.
_UNKNOWN = {"memfd_create": (319, 279), "memfd_secret": (447, 447)}
_UNSHARE = (272, 97)
_CLONE = (56, 220)
_SOCKET = (41, 198)

# Address families that know no network namespaces (vsock leads from a virtual machine
# to its hypervisor) or are doors into much of the kernel: sys/socket.h.
_DENIED_FAMILIES = {"AF_VSOCK": 40, "AF_ALG": 38, "AF_XDP": 44}

# clone3(2) hides its flags behind a pointer.  Its number is the same everywhere.
_CLONE3 = 435

# The columns above, and what linux/audit.h calls them, by os.uname().machine.
_X86_64, _AARCH64 = range(2)
_COLUMNS = {"x86_64": _X86_64, "aarch64": _AARCH64}
_AUDIT_ARCH = (0xC000003E, 0xC00000B7)


def filter_missing(machine: str, word_bytes: int) -> str:
    """Return why there is no filter for a process with such words on such a machine.

    "" where there is one.  A process of 32 bits makes other calls than its kernel's
    machine; a filter without them would kill it.

    """
    if machine in _COLUMNS and word_bytes == 8:
        return ""
    what = machine if word_bytes == 8 else f"a Python of {8 * word_bytes} bits on {machine}"
    return (
        f"there is no filter of system calls for {what}, and without one hosts would be open to "
        'the machine: use a Docker engine, Lab(engine="docker")'
    )


Instruction = tuple[int, int, int, int]  # struct sock_filter: code, jt, jf, k


def filter_program(machine: str) -> list[Instruction]:
    """Return the filter for a machine in classic BPF; [] where there is none."""
    if machine not in _COLUMNS:
        return []
    column = _COLUMNS[machine]
    # Programs of 32 bits are killed (SIGSYS): socketcall(2) of i386 has the family of a
    # socket behind a pointer, where no filter looks.
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JEQ, 1, 0, _AUDIT_ARCH[column]),
        (_RETURN, 0, 0, SECCOMP_RET_KILL_PROCESS),
        *_block(column),
    ]


def _block(column: int) -> Iterator[Instruction]:
    """Yield what decides on the calls of a machine; ends with a return on every way."""
    denied = (_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)
    unknown = (_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.ENOSYS)
    yield (_LOAD, 0, 0, _NUMBER)
    if column == _X86_64:
        yield (_JGE, 0, 1, _X32)
        yield unknown
    for numbers in _DENIED.values():
        if (number := numbers[column]) is not None:
            yield (_JEQ, 0, 1, number)
            yield denied
    # As a kernel that does not know them: the C library takes clone(2) then.
    for number in (_CLONE3, *(numbers[column] for numbers in _UNKNOWN.values())):
        yield (_JEQ, 0, 1, number)
        yield unknown
    yield (_JEQ, 0, 2 + 2 * len(_DENIED_FAMILIES), _SOCKET[column])
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT)
    for family in _DENIED_FAMILIES.values():
        yield (_JEQ, 0, 1, family)
        yield denied
    yield (_RETURN, 0, 0, SECCOMP_RET_ALLOW)
    yield (_JEQ, 1, 0, _UNSHARE[column])
    yield (_JEQ, 0, 3, _CLONE[column])
    yield (_LOAD, 0, 0, _FIRST_ARGUMENT)
    yield (_JSET, 0, 1, CLONE_NEWUSER)
    yield denied
    yield (_RETURN, 0, 0, SECCOMP_RET_ALLOW)


@functools.cache
def prepare() -> ctypes.Array[ctypes.c_char] | None:
    """Return the filter as the kernel takes it, None where there is none; made once."""
    machine = os.uname().machine
    if filter_missing(machine, struct.calcsize("P")):
        return None
    program = filter_program(machine)
    packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    # struct sock_fprog: how many instructions, and where; behind it those themselves.
    size = struct.calcsize("HP")
    buffer = ctypes.create_string_buffer(size + len(packed))
    start = ctypes.addressof(buffer) + size
    buffer.raw = struct.pack("HP", len(program), start) + packed
    return buffer


NO_FILTERS = (
    "the kernel of this machine has no filters of system calls (CONFIG_SECCOMP_FILTER), and "
    'without one hosts would be open to the machine: use a Docker engine, Lab(engine="docker")'
)


def missing() -> str:
    """Return why no process can be put under the filter here, "" where it can."""
    reason = filter_missing(os.uname().machine, struct.calcsize("P"))
    if reason:
        return reason
    # seccomp(2): EFAULT for no program where there are filters, EINVAL where there are none.
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0)
    return NO_FILTERS if ctypes.get_errno() == errno.EINVAL else ""


def confine() -> bool:
    """Put this process, and all that it starts, under the filter; for good.

    It takes CAP_SYS_ADMIN, so that PR_SET_NO_NEW_PRIVS, which would end su and
    sudo, is not needed.  Returns False where there is no filter for this machine,
    or the kernel has no filters.

    """
    program = prepare()
    if program is None:
        return False
    if prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program)) != 0:
        number = ctypes.get_errno()
        if number == errno.EINVAL:
            return False
        raise OSError(number, f"setting a filter of system calls: {os.strerror(number)}")
    return True
