"""The first program of a host: it sleeps until it is killed, and needs nothing of the host's root.

An image of a user's may have no shell, no `sleep`, no C library.  So the program is ours:
a few instructions of the processor in an ELF file of 200 bytes, see elf(5).  The kernel starts
it in 0.15 ms where `sleep infinity`, which loads a C library, takes 0.7 ms.  What comes to
be its child, as all do in a host whose parents are gone, it lets the kernel take leave of.

A neighbour of `namespaces.host_maker`: standard library only.

"""

from __future__ import annotations

import functools
import struct

# Where a host has it, in what is mounted for the lab's files.
PAUSE = "/run/playground/pause"

# By os.uname().machine: the number of the machine in elf.h, and what to do.  First
# rt_sigaction(SIGCHLD, &action, NULL, 8), the action being what follows the code, then
# again and again what waits.
_PROGRAMS = {
    # mov eax, 13; mov edi, 17; lea rsi, [rip + 19]; xor edx, edx; mov r10d, 8; syscall
    # mov eax, 34 (pause); syscall; jmp to the mov
    "x86_64": (
        62,
        bytes.fromhex("b80d000000 bf11000000 488d3513000000 31d2 41ba08000000 0f05")
        + bytes.fromhex("b822000000 0f05 ebf7"),
    ),
    # mov x8, 134; mov x0, 17; adr x1, . + 48; mov x2, 0; mov x3, 8; svc 0
    # mov x8, 73 (ppoll); x0 to x4 = 0: no descriptors, no limit of time; svc 0; b to the second
    "aarch64": (
        183,
        struct.pack(
            "<14I",
            *(0xD28010C8, 0xD2800220, 0x10000181, 0xD2800002, 0xD2800103, 0xD4000001),
            *(0xD2800928, 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800004),
            *(0xD4000001, 0x17FFFFFA),
        ),
    ),
}

# struct sigaction of the kernel: SIG_IGN, and no flags, restorer or mask.
_ACTION = struct.pack("<4Q", 1, 0, 0, 0)

_ADDRESS = 0x400000
_HEADER_BYTES = 64
_PROGRAM_HEADER_BYTES = 56


@functools.cache
def program(machine: str) -> bytes:
    """Return the ELF file for a machine, by its name in uname(2); raises KeyError for others.

    >>> len(program("x86_64"))
    188

    """
    number, code = _PROGRAMS[machine]
    code += _ACTION
    start = _HEADER_BYTES + _PROGRAM_HEADER_BYTES
    size = start + len(code)
    # 64 bits, little-endian, version 1; executable.  See struct Elf64_Ehdr and Elf64_Phdr.
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH",
        *(2, number, 1, _ADDRESS + start, _HEADER_BYTES, 0, 0),
        *(_HEADER_BYTES, _PROGRAM_HEADER_BYTES, 1, 0, 0, 0),
    )
    # One segment to load, readable and executable: all of the file.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x1000)
    return header + segment + code
