"""Code of the processor that makes the calls of a `call_list` one after the other.

A child that shares its parent's memory cannot run Python there, and nothing of the C library
makes more than one call.  So these 64 bytes do: for each entry of nine words (a number, six
arguments, an error that is none, room for the result) they make the call and keep what came of
it, until the first that fails, or the number -1.  Then they return, upon which the C library's
clone(2) ends the child.

"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os

# By os.uname().machine.
_CODE = {
    "x86_64": bytes.fromhex(
        "53"  # push rbx
        "4889fb"  # mov rbx, rdi: the first entry
        "488b03"  # again: mov rax, [rbx]: the number
        "4885c0"  # test rax, rax
        "7832"  # js out: the end of the list
        "488b7b08"  # mov rdi, [rbx + 8]: its arguments
        "488b7310"  # mov rsi, [rbx + 16]
        "488b5318"  # mov rdx, [rbx + 24]
        "4c8b5320"  # mov r10, [rbx + 32]
        "4c8b4328"  # mov r8, [rbx + 40]
        "4c8b4b30"  # mov r9, [rbx + 48]
        "0f05"  # syscall
        "48894340"  # mov [rbx + 64], rax: what came of it
        "4885c0"  # test rax, rax
        "7909"  # jns next
        "48f7d8"  # neg rax: an error
        "483b4338"  # cmp rax, [rbx + 56]: which is none
        "7506"  # jne out
        "4883c348"  # next: add rbx, 72
        "ebc6"  # jmp again
        "5b"  # out: pop rbx
        "c3"  # ret
    ),
}

_STACK_BYTES = 1 << 14

# A process that forks has a stack, and its child another.
_OWN = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

_kept: list[mmap.mmap] = []


@functools.cache
def address() -> int | None:
    """Return where the code is; None where there is none, or the system lets none be run.

    Memory is written first and may be run then, never both at once.

    """
    code = _CODE.get(os.uname().machine)
    if code is None:
        return None
    memory = mmap.mmap(-1, mmap.PAGESIZE, _OWN)
    memory[: len(code)] = code
    place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.mprotect(place, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        return None
    _kept.append(memory)
    return place


@functools.cache
def stack() -> int:
    """Return where the child's stack begins, at its upper end: clone(2)."""
    memory = mmap.mmap(-1, _STACK_BYTES, _OWN)
    _kept.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory)) + _STACK_BYTES - 64
