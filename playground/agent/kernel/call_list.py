"""Lists of system calls: what a child will do, as data, made at once by a child or here.

A Python that forks copies the tables of all its memory for a child, which then copies each
page that it writes, and lets go of all at its exec: 2.2 ms of processor time of the 5.2 that
making a host took.  A child that shares its parent's memory (CLONE_VM, as vfork(2) has it) saves
that, but cannot run Python there.  So what it is to do is a list, which `call_code` walks.
Where there is no such code, a forked child makes the same calls one by one.

Standard library and `agent` only.  See syscall(2), clone(2), vfork(2).

"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import signal
import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from playground.agent.kernel import call_code

# By unistd_64.h of x86 and asm-generic/unistd.h: the numbers for x86_64 and aarch64.
_NUMBERS = {
    "capset": (126, 91),
    "chdir": (80, 49),
    "close": (3, 57),
    "close_range": (436, 436),
    "dup3": (292, 24),
    "execve": (59, 221),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "openat": (257, 56),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "rt_sigaction": (13, 134),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setsid": (112, 157),
    "symlinkat": (266, 36),
    "umask": (95, 166),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "write": (1, 64),
}
_COLUMNS = {"x86_64": 0, "aarch64": 1}

# linux/fcntl.h, linux/sched.h
_AT_FDCWD = -100
_CLONE_VM, _CLONE_VFORK = 0x100, 0x4000

# What a call is, as `call_code` reads it: its number, its arguments, the error that is none, and
# what came of it.
_ENTRY = struct.Struct("9q")
_WORDS = 9
_NOTHING_YET = 1 << 62
_END = _ENTRY.pack(-1, *[0] * 8)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]


class Later(NamedTuple):
    """In place of an argument that is known when the calls are made, by this name."""

    name: str


# In place of the descriptor that the last `open` has made.
OPENED = Later("opened")

Known = int | str | bytes | Sequence[str] | None
Argument = Known | Later


class CallList:
    """System calls in the order in which they are to be made, each with what it is for.

    Numbers are given as they are, text and bytes by their address, ended by a zero byte, and
    several texts as execve(2) takes them.  A list may be made any number of times.

    """

    def __init__(self) -> None:
        self._column = _COLUMNS[os.uname().machine]
        self._entries: list[bytes] = []
        self._purposes: list[str] = []
        # Where in the entries what is known later stands.
        self._later: list[tuple[int, str]] = []
        self._kept: list[object] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, name: str, *arguments: Argument, purpose: str, unless: int = 0) -> None:
        """Add a call by its name; an error with the number ``unless`` is none.

        ``purpose`` begins the sentence of an error, as "mounting tmpfs on run" does.

        """
        number = _NUMBERS[name][self._column]
        # Behind the number.
        start = len(self) * _ENTRY.size + 8
        words = [0] * 6
        for at, argument in enumerate(arguments):
            if isinstance(argument, Later):
                self._later.append((start + 8 * at, argument.name))
            else:
                words[at] = _word(argument, self._kept)
        self._entries.append(_ENTRY.pack(number, *words, unless, _NOTHING_YET))
        self._purposes.append(purpose)

    # -- often wanted

    def mount(
        self,
        source: str,
        target: str,
        kind: str,
        flags: int = 0,
        data: str = "",
        unless: int = 0,
    ) -> None:
        """Mount a file system: mount(2)."""
        self.add(
            "mount",
            source or None,
            target,
            kind or None,
            flags,
            data or None,
            purpose=f"mounting {kind or source or 'a change'} on {target}",
            unless=unless,
        )

    def make_folder(self, path: str, mode: int = 0o777) -> None:
        self.add("mkdirat", _AT_FDCWD, path, mode, purpose=f"making the folder {path}")

    def make_file(self, path: str, mode: int) -> None:
        """Make an empty file where nothing is: mknod(2)."""
        regular = 0o100000
        purpose = f"making the file {path}"
        self.add("mknodat", _AT_FDCWD, path, regular | mode, 0, purpose=purpose)

    def make_link(self, path: str, leads_to: str) -> None:
        self.add("symlinkat", leads_to, _AT_FDCWD, path, purpose=f"making the link {path}")

    def open(self, path: str | Later, flags: int, *, purpose: str = "", unless: int = 0) -> None:
        """Open a file, which is `OPENED` then, one that is made with the mode 0755: open(2)."""
        words = purpose or f"opening {path}"
        self.add("openat", _AT_FDCWD, path, flags, 0o755, purpose=words, unless=unless)

    def write(
        self,
        path: str | Later,
        content: bytes,
        flags: int = 0,
        *,
        purpose: str = "",
        unless: int = 0,
    ) -> None:
        """Write into a file, and close it."""
        words = purpose or f"writing {path}"
        self.open(path, flags | os.O_WRONLY | os.O_CLOEXEC, purpose=words, unless=unless)
        none = errno.EBADF if unless else 0
        self.add("write", OPENED, content, len(content), purpose=words, unless=none)
        self.add("close", OPENED, purpose=words, unless=none)

    def prctl(self, option: int, argument: int, second: int = 0, *, purpose: str) -> None:
        self.add("prctl", option, argument, second, 0, 0, purpose=purpose)

    def treat_signal(self, number: int, handler: signal.Handlers) -> None:
        """Ignore a signal, or let it do what it does by default: sigaction(2)."""
        action = struct.pack("4Q", int(handler), 0, 0, 0)
        self.add("rt_sigaction", number, action, 0, 8, purpose="treating a signal")

    def execute(self, path: str, argv: Sequence[str], environ: Sequence[str] | Later) -> None:
        """Become a program, at the end of the list: execve(2)."""
        self.add("execve", path, argv, environ, purpose=f"running {path}")

    # -- making them

    def make_here(self) -> None:
        """Make all calls in this process; raises OSError that says which one failed.

        Nothing but what is `OPENED` may be known later.

        """
        opened = -1
        laters = {place for place, _ in self._later}
        for position, purpose in enumerate(self._purposes):
            number, *words, unless, _ = _ENTRY.unpack(self._entries[position])
            start = position * _ENTRY.size + 8
            words = [opened if start + 8 * at in laters else word for at, word in enumerate(words)]
            result = _libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, words))
            found = ctypes.get_errno()
            if result < 0 and found != unless:
                raise OSError(found, f"{purpose}: {os.strerror(found)}")
            if number == _NUMBERS["openat"][self._column]:
                opened = result

    def start_child(self, namespaces: int, **later: Known) -> int:
        """Start a child in new namespaces that makes all calls; return its process id.

        It shares this process's memory until it executes the list's last call, which has to be
        `execute`; this process goes on from there.  It has copies of this process's descriptors.
        ``later`` is what was not known before; of it ``opened`` is the lowest number that no
        descriptor has where files are opened.  Raises OSError for the call that failed; then
        there is no child any more.  To be called where `can_start_children` is true.

        """
        code = call_code.address()
        assert code is not None
        size = len(self) * _ENTRY.size
        memory = ctypes.create_string_buffer(b"".join([*self._entries, _END]), size + _ENTRY.size)
        kept: list[object] = []
        words = {name: _word(value, kept) for name, value in later.items()}
        for place, name in self._later:
            struct.pack_into("q", memory, place, words[name])
        flags = _CLONE_VM | _CLONE_VFORK | namespaces | signal.SIGCHLD
        pid = int(_libc.clone(code, call_code.stack(), flags, ctypes.addressof(memory)))
        if pid < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"making a process's namespaces: {os.strerror(number)}")
        if self._is_done(memory, size):
            return pid
        results = struct.unpack(f"{len(self) * _WORDS}q", memory.raw[:size])
        for position, result in enumerate(results[_WORDS - 1 :: _WORDS]):
            killed = result == _NOTHING_YET and position < len(self) - 1
            if killed or (result < 0 and -result != results[position * _WORDS + 7]):
                os.waitpid(pid, 0)
                number = errno.ECHILD if killed else -result
                reason = "the process was killed" if killed else os.strerror(number)
                raise OSError(number, f"{self._purposes[position]}: {reason}")
        return pid

    def _is_done(self, memory: ctypes.Array[ctypes.c_char], size: int) -> bool:
        """Whether a child has come to the last call, from which there is no coming back."""
        if size < 2 * _ENTRY.size:
            return False
        *_, unless, before = _ENTRY.unpack_from(memory, size - 2 * _ENTRY.size)
        *_, last = _ENTRY.unpack_from(memory, size - _ENTRY.size)
        # The first that fails is the last that is made.
        reached = before != _NOTHING_YET and (before >= 0 or -before == unless)
        return bool(reached and last == _NOTHING_YET)


def _word(value: Known, kept: list[object]) -> int:
    """Return a number, or where a text or texts are, which ``kept`` keeps."""
    if value is None or isinstance(value, int):
        return value or 0
    if isinstance(value, str | bytes):
        return _address(os.fsencode(value), kept)
    # All in one piece of memory: to make a piece takes longer than to fill it.
    texts = [os.fsencode(text) + b"\0" for text in value]
    start = _address(b"".join(texts), kept)
    places = [*accumulate(map(len, texts), initial=start)][:-1]
    return _address(struct.pack(f"{len(places) + 1}Q", *places, 0), kept)


def _address(content: bytes, kept: list[object]) -> int:
    """Return where memory with this content is, a zero byte behind it."""
    buffer = ctypes.create_string_buffer(content)
    kept.append(buffer)
    return ctypes.addressof(buffer)


@functools.cache
def can_start_children() -> bool:
    """Whether there is code for this machine that walks a list, and the kernel lets it be run.

    Also whether the kernel closes ranges of descriptors (Linux 5.9), as lists do.

    """
    if os.uname().machine not in _COLUMNS or call_code.address() is None:
        return False
    number = _NUMBERS["close_range"][_COLUMNS[os.uname().machine]]
    last = 0xFFFFFFFF
    return bool(
        _libc.syscall(ctypes.c_long(number), ctypes.c_long(last), ctypes.c_long(last), 0) == 0
    )
