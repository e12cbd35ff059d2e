"""The keeper: the processes that hold a lab of bare namespaces together.

It is forked by `namespaces.fork_server`, and begins with `run`; it and what it imports
of ours need the standard library only, for a lab's start waits for it.

Two processes hold a lab::

    keeper   outside: waits, and cleans up what is no process
      agent  the first process in the lab's process-id namespace, alone in the
             lab's network namespace, where its bridges live
        maker, maker ...   make hosts, see `namespaces.host_maker`
        the hosts

When the agent ends, for whatever reason, the kernel kills every process of the
lab (pid_namespaces(7)), and with its processes end the namespaces, the mounts
and the interfaces.  The agent ends when its owner closes the line to it; and
the keeper ends it when the owner is gone in any other way, or on SIGTERM.  Of a
lab with ``keep`` the first process is one that only waits, and agents enter.

A keeper has the lab's labels in its environment: see `namespaces.labels`.  Its
settings are::

    {"lab": id, "keep": bool, "enter": process id of a keeper or null,
     "leash": descriptor, "maker": descriptor, "sockets": descriptor,
     "owner": descriptor or null,
     "users": [{"name", "password", "uid", "groups", "shell"}]}

``leash`` is a socket: one line comes out of it, ``{"ready": true}`` or
``{"error": ...}`` as the agent writes it; what goes in is ``keep``, upon which
the lab outlives its owner.  Its end means that the owner is gone, or wants the
lab gone.  ``maker`` is the socket that makers serve, ``sockets`` one
by which the agent hands out sockets that live in hosts, ``owner`` a pidfd, ``users`` the
accounts of all hosts.

See namespaces(7), user_namespaces(7), mount_namespaces(7).

"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import sys
from typing import Any, NoReturn

from playground.agent import operations, protocol
from playground.agent.kernel import syscalls
from playground.agent.nodes import descriptors
from playground.agent.nodes.accounts import remember_hashes
from playground.engines.namespaces import cgroups, host_maker
from playground.engines.namespaces.filesystems import machine_layer, stranger_layer
from playground.engines.namespaces.filesystems.mounts import in_user_namespace
from playground.engines.namespaces.images import subordinate_ids

# Not of control groups: those of the hosts are found by the machine's own paths.
_LAB_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWNET
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
)

# The order to enter in: the user namespace first, whose root may enter the rest;
# the mount namespace last, for after it /proc is another one.
_TO_ENTER = (
    ("net", syscalls.CLONE_NEWNET),
    ("ipc", syscalls.CLONE_NEWIPC),
    ("uts", syscalls.CLONE_NEWUTS),
    ("cgroup", syscalls.CLONE_NEWCGROUP),
    ("pid_for_children", syscalls.CLONE_NEWPID),
    ("mnt", syscalls.CLONE_NEWNS),
)

Settings = dict[str, Any]


def run(settings: Settings) -> NoReturn:
    """Be the keeper that these settings say; never returns."""
    leash = socket.socket(fileno=settings["leash"])
    try:
        if settings["enter"]:
            _enter(settings, leash)
        else:
            _keep(settings, leash)
    except BaseException as error:
        say(leash, {"error": protocol.describe(error)})
    finally:
        sys.stderr.flush()
        os._exit(1)


def say(leash: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # nobody may be listening any more
        leash.sendall(json.dumps(message).encode() + b"\n")


# -- A new lab ---------------------------------------------------------------


def _keep(settings: Settings, leash: socket.socket) -> NoReturn:
    if settings["keep"] and os.fork():
        os._exit(0)  # the machine's first process adopts it
    # Now: in the lab's /proc this process will not be.
    cgroups.hierarchies()
    namespaces = _LAB_NAMESPACES
    if not _may_make_namespaces():
        enter_user_namespace()
    if not _may_come_back():
        namespaces |= syscalls.CLONE_NEWCGROUP
    syscalls.checked(_libc.unshare(namespaces), "making the lab's namespaces")
    first = os.fork()
    if first == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            _be_first(settings, leash)
        except BaseException as error:
            say(leash, {"error": protocol.describe(error)})
        finally:
            os._exit(1)
    # The first process has its own, and the owner must see the end of them.
    os.close(settings["maker"])
    os.close(settings["sockets"])
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.dup2(null, 1)
    _watch(first, leash, settings["owner"])
    os.waitpid(first, 0)
    # The one thing that does not end with the lab's processes.
    cgroups.remove_lab(settings["lab"])
    os._exit(0)


def _may_make_namespaces() -> bool:
    return bool(syscalls.permitted_capabilities() >> 21 & 1)  # CAP_SYS_ADMIN


def _may_come_back() -> bool:
    """Whether who leaves this control group namespace for a host's may enter it again.

    In a user namespace only one that was made there may be entered.

    """
    own = os.open("/proc/self/ns/cgroup", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(own, syscalls.CLONE_NEWCGROUP)
    except PermissionError:
        return False
    finally:
        os.close(own)
    return True


def _watch(first: int, leash: socket.socket, owner: int | None) -> None:
    """Return when the lab's first process has ended; end it when nobody wants it."""
    handle = os.pidfd_open(first)
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(first, signal.SIGKILL))
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    poll.register(leash, select.POLLIN)
    if owner is not None:
        poll.register(owner, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == handle:
                return
            if fd == leash.fileno():
                with contextlib.suppress(ConnectionResetError):
                    if leash.recv(64).startswith(b"keep"):
                        poll.unregister(leash)
                        if owner is not None:
                            poll.unregister(owner)
                        continue
                poll.unregister(leash)
            elif fd == owner:
                poll.unregister(owner)
            os.kill(first, signal.SIGKILL)


def _be_first(settings: Settings, leash: socket.socket) -> None:
    """Be the first process of the lab: set up its mounts, start makers, be the agent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if settings["owner"] is not None:
        os.close(settings["owner"])
    host_maker.prepare_lab()
    # Where root is not the machine's, there may be no other user.
    machine_layer.make(users=[] if in_user_namespace() else _with_hashes(settings["users"]))
    if not in_user_namespace():
        stranger_layer.show(machine_layer.whole_view().overlays)
    socket.sethostname(settings["lab"][:64])
    _start_makers(settings, leash)
    say(leash, {"ready": True})
    if settings["keep"]:
        # Nothing of the lab's owner's is left.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        null = os.open("/dev/null", os.O_RDWR)
        for target in range(3):
            os.dup2(null, target)
        descriptors.keep_only(2)
        os.execvp("sleep", ["sleep", "infinity"])
    leash.close()
    operations.main(settings["sockets"])
    os._exit(0)


def _with_hashes(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return users as the agent takes them, which remembers these hashes."""
    hashes = remember_hashes([user["password"] for user in users])
    return [user | {"password_hash": hashed} for user, hashed in zip(users, hashes, strict=True)]


def _start_makers(settings: Settings, leash: socket.socket) -> None:
    """Fork the makers; they end with the line, or with the lab."""
    for _ in range(min(4, (os.cpu_count() or 1) + 1)):
        if os.fork() == 0:
            try:
                syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
                leash.close()
                os.close(settings["sockets"])
                null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
                os.dup2(null, 0)
                os.dup2(null, 1)
                host_maker.serve(socket.socket(fileno=settings["maker"]), settings["lab"])
            finally:
                os._exit(0)
    os.close(settings["maker"])


# -- A lab that is there -----------------------------------------------------


def _enter(settings: Settings, leash: socket.socket) -> NoReturn:
    """Start one more agent in the lab of another keeper."""
    keeper = settings["enter"]
    opened = [(os.open(f"/proc/{keeper}/ns/{name}", os.O_RDONLY), kind) for name, kind in _TO_ENTER]
    # Its number may have come to mean another process since it was looked up.
    labels = syscalls.read_text(f"/proc/{keeper}/environ").split("\0")
    if f"playground.lab={settings['lab']}" not in labels:
        raise ProcessLookupError(errno.ESRCH, "the lab was stopped meanwhile")
    # A keeper in the machine's own namespaces is none, whatever it says of itself.
    for name in ("net", "pid_for_children", "mnt"):
        if os.path.samefile(f"/proc/{keeper}/ns/{name}", f"/proc/self/ns/{name}"):
            raise PermissionError(errno.EPERM, "what says to be the lab is outside of any lab")
    own_cgroup = os.open("/proc/self/ns/cgroup", os.O_RDONLY | os.O_CLOEXEC)
    if not os.path.samefile(f"/proc/{keeper}/ns/user", "/proc/self/ns/user"):
        user = os.open(f"/proc/{keeper}/ns/user", os.O_RDONLY)
        syscalls.setns(user, syscalls.CLONE_NEWUSER)
        os.close(user)
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
    for fd, kind in opened:
        if not os.path.sameopenfile(fd, own_cgroup):
            syscalls.setns(fd, kind)
        os.close(fd)
    os.close(own_cgroup)
    child = os.fork()
    if child == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.setsid()
            _start_makers(settings, leash)
            say(leash, {"ready": True})
            leash.close()
            operations.main(settings["sockets"])
        except BaseException as error:
            say(leash, {"error": protocol.describe(error)})
        finally:
            os._exit(0)
    for fd in (0, 1, settings["maker"], settings["sockets"]):
        os.close(fd)
    leash.close()
    os.waitpid(child, 0)
    os._exit(0)


# -- Without root ------------------------------------------------------------

_libc = ctypes.CDLL(None, use_errno=True)


def enter_user_namespace() -> None:
    """Make a user namespace, in which this process is root, and enter it.

    Where newuidmap(1) is installed and subuid(5) gives this user a range, all the
    ids that a host needs are in it; else root alone, and no other user can be
    taken on inside.  Raises PermissionError where the system forbids it.

    """
    uid, gid = os.geteuid(), os.getegid()
    mappers = subordinate_ids.mappers(uid, gid, os.getpid())
    wake, woken = os.pipe()
    helper = os.fork() if mappers else 0
    if mappers and helper == 0:
        # It stays outside, where the programs that may map have their power.
        os.close(woken)
        os.read(wake, 1)
        import subprocess

        done = all(subprocess.run(argv, capture_output=True).returncode == 0 for argv in mappers)
        os._exit(0 if done else 1)
    if _libc.unshare(syscalls.CLONE_NEWUSER) != 0:
        number = ctypes.get_errno()
        os.close(woken)
        raise PermissionError(number, f"user namespaces are refused: {os.strerror(number)}")
    os.close(woken)
    os.close(wake)
    if not mappers or os.waitpid(helper, 0)[1] != 0:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
