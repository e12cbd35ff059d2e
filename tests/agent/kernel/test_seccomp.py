"""The filter of system calls, and who gets it."""

from __future__ import annotations

import errno
import signal
import struct
import sys
from typing import Any

import pytest

from playground.agent.kernel import seccomp, syscalls
from playground.agent.nodes.entering import read_status
from playground.operations.connection.client import Client
from tests.support_agent import PACKAGE, Namespaces, connect, needs_root, run

ALLOW = seccomp.SECCOMP_RET_ALLOW
KILL = seccomp.SECCOMP_RET_KILL_PROCESS
NOT_PERMITTED = seccomp.SECCOMP_RET_ERRNO | errno.EPERM
UNKNOWN = seccomp.SECCOMP_RET_ERRNO | errno.ENOSYS
# linux/audit.h
X86_64, I386, AARCH64, ARM, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3
NEW_NETWORK = syscalls.CLONE_NEWNET
NEW_USER = syscalls.CLONE_NEWUSER


def verdict(machine: str, architecture: int, number: int, argument: int = 0) -> int:
    """The kernel's verdict on a system call (Documentation/networking/filter)."""
    data = struct.pack("=IIQQ", number, architecture, 0, argument)
    program, at, accumulator = seccomp.filter_program(machine), 0, 0
    while True:
        code, true, false, operand = program[at]
        at += 1
        if code == 0x06:  # return
            return operand
        if code == 0x20:  # load
            (accumulator,) = struct.unpack_from("=I", data, operand)
            continue
        met = {0x15: accumulator == operand, 0x35: accumulator >= operand}
        met[0x45] = bool(accumulator & operand)
        at += true if met[code] else false


@pytest.mark.parametrize(
    ("machine", "architecture", "number", "argument", "expected"),
    [
        ("x86_64", X86_64, 0, 0, ALLOW),  # read
        ("x86_64", X86_64, 101, 0, ALLOW),  # ptrace
        ("x86_64", X86_64, 308, NEW_NETWORK, ALLOW),  # setns
        ("x86_64", X86_64, 470, 0, ALLOW),
        ("x86_64", X86_64, 248, 0, NOT_PERMITTED),  # add_key
        ("x86_64", X86_64, 321, 0, NOT_PERMITTED),  # bpf
        ("x86_64", X86_64, 304, 0, NOT_PERMITTED),  # open_by_handle_at
        ("x86_64", X86_64, 435, 0, UNKNOWN),  # clone3
        ("x86_64", X86_64, 272, NEW_NETWORK, ALLOW),  # unshare
        ("x86_64", X86_64, 272, NEW_NETWORK | NEW_USER, NOT_PERMITTED),
        ("x86_64", X86_64, 272, 1 << 40 | NEW_USER, NOT_PERMITTED),
        ("x86_64", X86_64, 56, signal.SIGCHLD, ALLOW),  # clone
        ("x86_64", X86_64, 56, NEW_USER | signal.SIGCHLD, NOT_PERMITTED),
        ("x86_64", X86_64, 0x40000000 | 272, NEW_USER, UNKNOWN),
        ("x86_64", X86_64, 319, 0, UNKNOWN),  # memfd_create
        ("x86_64", X86_64, 41, 40, NOT_PERMITTED),  # socket of AF_VSOCK
        ("x86_64", X86_64, 41, 2, ALLOW),
        ("x86_64", I386, 3, 0, KILL),  # read
        ("x86_64", I386, 102, 1, KILL),  # socketcall
        ("x86_64", AARCH64, 63, 0, KILL),
        ("aarch64", AARCH64, 63, 0, ALLOW),  # read
        ("aarch64", AARCH64, 56, NEW_USER, ALLOW),  # openat
        ("aarch64", AARCH64, 97, NEW_USER, NOT_PERMITTED),  # unshare
        ("aarch64", AARCH64, 220, NEW_USER, NOT_PERMITTED),  # clone
        ("aarch64", AARCH64, 280, 0, NOT_PERMITTED),  # bpf
        ("aarch64", AARCH64, 435, 0, UNKNOWN),  # clone3
        ("aarch64", AARCH64, 279, 0, UNKNOWN),  # memfd_create
        ("aarch64", ARM, 3, 0, KILL),
    ],
)
def test_what_the_filter_says(
    machine: str, architecture: int, number: int, argument: int, expected: int
) -> None:
    assert verdict(machine, architecture, number, argument) == expected


def test_a_machine_whose_system_calls_are_not_known_has_no_filter() -> None:
    assert seccomp.filter_program("riscv64") == []
    assert seccomp.filter_missing("x86_64", 8) == ""
    assert seccomp.filter_missing("aarch64", 8) == ""
    said = seccomp.filter_missing("riscv64", 8)
    assert "no filter of system calls for riscv64" in said
    assert 'Lab(engine="docker")' in said


@pytest.mark.parametrize(
    ("machine", "own_architecture"), [("x86_64", I386), ("aarch64", ARM), ("armv8l", None)]
)
def test_a_python_of_32_bits_gets_no_filter_that_would_kill_it(
    machine: str, own_architecture: int | None
) -> None:
    said = seccomp.filter_missing(machine, 4)
    if own_architecture is not None:
        assert (verdict(machine, own_architecture, 3) == KILL) == bool(said)  # read
    assert said == "" or f"a Python of 32 bits on {machine}" in said


CONFINED = f"""
{PACKAGE}
import os
from playground.agent.kernel.seccomp import confine
confine() or sys.exit("no filter")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def status(agent: Client, pid: int, key: str, **options: Any) -> str:
    """One line of what /proc says of a command in a node."""
    return run(agent, pid, f"grep -w {key} /proc/self/status", **options).split()[1]


@needs_root
@pytest.mark.parametrize("told", [False, True], ids=["as its first process", "all of them"])
@pytest.mark.parametrize("user", [None, "root", "daemon"])
def test_a_command_under_the_filter_makes_no_user_namespace(
    told: bool, user: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told:
        monkeypatch.setenv("PLAYGROUND_SECCOMP", "1")
    prefix = [] if told else [sys.executable, "-I", "-c", CONFINED]
    with Namespaces("h1", prefix=prefix) as h1, connect() as agent:
        tried = agent.spawn(h1.pid, ["unshare", "--user", "true"], user=user)
        _, complaint = tried.communicate(timeout_s=20)
        assert tried.wait(20) == 1
        assert b"Operation not permitted" in complaint
        assert status(agent, h1.pid, "Seccomp", user=user) == "2"
        # su(1) and sudo(8) go on working.
        assert status(agent, h1.pid, "NoNewPrivs", user=user) == "0"


@needs_root
def test_a_command_under_the_filter_has_threads_and_other_namespaces() -> None:
    # Although clone3(2), by which the C library makes threads, is denied.
    script = "import threading; t = threading.Thread(target=print, args=('hi',)); t.start()"
    prefix = [sys.executable, "-I", "-c", CONFINED]
    with Namespaces("h1", prefix=prefix) as h1, connect() as agent:
        threaded = agent.spawn(h1.pid, [sys.executable, "-I", "-S", "-c", script])
        assert threaded.communicate(timeout_s=20) == (b"hi\n", b"")
        assert run(agent, h1.pid, "unshare --net echo alone") == "alone\n"


@needs_root
def test_the_filter_is_for_nodes_that_have_one(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    own = read_status("self")["Seccomp"].strip()
    assert status(agent, pair[0].pid, "Seccomp") == own
