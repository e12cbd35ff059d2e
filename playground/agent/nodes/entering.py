"""Nodes: what has to be known of one to enter it, and the ways in."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import resource
import select
import time
from collections.abc import Iterator, Sequence

from playground.agent.kernel.control_groups import (
    cgroup_files,
    cgroup_mounts,
    memory_is_limited,
    own_cgroups,
    parse_cgroups,
)
from playground.agent.kernel.ids import count_ids
from playground.agent.kernel.resource_limits import other_limits
from playground.agent.kernel.seccomp import CONFINE_ALL
from playground.agent.kernel.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    read_text,
    setns,
)

# In this order: after the mount namespace /proc is another one, and in the user
# namespace there is no power left to enter the rest.
_NAMESPACES = (
    ("ipc", CLONE_NEWIPC),
    ("uts", CLONE_NEWUTS),
    ("net", CLONE_NEWNET),
    ("cgroup", CLONE_NEWCGROUP),
    ("time", CLONE_NEWTIME),
    ("mnt", CLONE_NEWNS),
    ("user", CLONE_NEWUSER),
)

# More no exec(2) takes; but a process may call all of its memory so: PR_SET_MM(2const).
_ENVIRON_BYTES = 8 << 20

# So many are remembered, for each has a handle, and of files may be open usually 1024.  Who
# may open more (the agent may) remembers more: to read what is known of a node anew takes 3 ms,
# for each command where those that are used in turn are more than are remembered.
NODES_KNOWN = 256
_FILES_A_NODE = 4


def gone(pid: int) -> ProcessLookupError:
    return ProcessLookupError(
        errno.ESRCH,
        f"the node's first process (pid {pid}) is gone: the node has stopped or died",
    )


def open_namespace(pid: int, name: str) -> int:
    """Open one of a node's /proc/PID/ns; raises ProcessLookupError if the process ended."""
    try:
        refuse_own(pid)
        return os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        # A zombie still has a folder in /proc, but no namespaces.
        raise gone(pid) from None


def refuse_own(pid: int) -> None:
    """Raise ProcessLookupError for a process in the agent's own process-id namespace.

    It is one of the machine's, the first of all even, or has got the number of
    a node's that is gone: nothing is ever to be done there.

    """
    if os.stat(f"/proc/{pid}/ns/pid").st_ino == own_process_namespace():
        raise gone(pid)


@functools.cache
def own_process_namespace() -> int:
    """Return the inode number of the agent's own; first called outside of all nodes."""
    return os.stat("/proc/self/ns/pid").st_ino


@functools.cache
def own_bounding() -> int:
    """Return the agent's capability bounding set, which its children inherit."""
    return int(read_status("self")["CapBnd"], 16)


def read_status(pid: int | str) -> dict[str, str]:
    return dict(
        line.split(":\t", 1)
        for line in read_text(f"/proc/{pid}/status").splitlines()
        if ":\t" in line
    )


@functools.cache
def every_capability() -> int:
    """Return all that this kernel knows as a mask; first called outside of all nodes."""
    return (2 << int(read_text("/proc/sys/kernel/cap_last_cap"))) - 1


def _has_own_users(pid: int) -> bool:
    """Say whether a node has a user namespace of its own, with the same users as here.

    Raises OSError (EOPNOTSUPP) where its users are others outside.

    """
    with contextlib.suppress(KeyError):  # a kernel without user namespaces
        if os.stat(f"/proc/{pid}/ns/user").st_ino == own_namespaces()["user"]:
            return False
        # For a process further inside, the file gives the numbers as they are here.
        rows = [line.split() for line in read_text(f"/proc/{pid}/uid_map").splitlines()]
        same = all(inside == here for inside, here, _ in rows)
        if not same or sum(int(count) for *_, count in rows) != count_ids():
            raise OSError(
                errno.EOPNOTSUPP,
                "the node's users have other numbers on the machine, which playground does not "
                "support: switch userns-remap off in the engine",
            )
        every_capability()
        return True
    return False


def _environ_of_program(pid: int) -> list[str]:
    """Return the environment of a node's first program, entry by entry.

    A container has started for Docker a moment before runc executes its program; until then the
    process has runc's own environment.  Waits for the program, a second at most: a host may
    choose such names too.

    """
    # runc names all that it hands to its own init so: libcontainer/container_linux.go.
    mark = "_LIBCONTAINER_"
    by = time.monotonic() + 1
    while True:
        entries = read_text(f"/proc/{pid}/environ", _ENVIRON_BYTES).split("\0")
        if not any(entry.startswith(mark) for entry in entries) or time.monotonic() > by:
            return entries
        time.sleep(0.001)


class NodeEntry:
    """The facts by which a container is entered, read from /proc/PID.

    See proc(5).  Raises ProcessLookupError if the process has ended.

    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            status = read_status(pid)
            if status["State"].startswith(("Z", "X")):
                raise gone(pid)
            refuse_own(pid)
            environ = _environ_of_program(pid)
            status = read_status(pid)
            self.own_users = _has_own_users(pid)
            self.environ = dict(
                entry.split("=", 1)
                for entry in environ
                # Of bare namespaces these are labels, for who looks at a process list.
                if "=" in entry and not entry.startswith("playground.")
            )
            self.cgroup_files = cgroup_files(
                parse_cgroups(read_text(f"/proc/{pid}/cgroup")), own_cgroups(), cgroup_mounts()
            )
            self.namespaces = [
                (name, kind)
                for name, kind in _NAMESPACES
                if name in own_namespaces()
                and os.stat(f"/proc/{pid}/ns/{name}").st_ino != own_namespaces()[name]
            ]
            self.oom_score_adj = read_text(f"/proc/{pid}/oom_score_adj").strip()
            self.resource_limits = other_limits(read_text(f"/proc/{pid}/limits"))
        except (FileNotFoundError, ProcessLookupError):
            raise gone(pid) from None
        self.inheritable = int(status["CapInh"], 16)
        self.bounding = int(status["CapBnd"], 16)
        self.no_new_privs = status.get("NoNewPrivs", "0").strip() == "1"
        self.confined = status.get("Seccomp", "0").strip() == "2" or CONFINE_ALL
        self.memory_is_limited = memory_is_limited(self.cgroup_files)
        self.uid = int(status["Uid"].split()[1])
        self.gid = int(status["Gid"].split()[1])
        self.groups = [int(group) for group in status["Groups"].split()]
        try:
            self.apparmor = read_text(f"/proc/{pid}/attr/current").strip("\0\n ")
        except OSError:
            self.apparmor = ""  # EINVAL: the kernel runs no such security module


_nodes: dict[int, tuple[NodeEntry, int]] = {}


def find_node(pid: int) -> NodeEntry:
    """Return what is known of a container, reading it the first time.

    Raises ProcessLookupError if its first process has ended, also where another
    process has got its number since.

    """
    if pid in _nodes:
        node, handle = _nodes[pid]
        if not has_ended(pid, handle):
            return node
        del _nodes[pid]
        os.close(handle)
        raise gone(pid)
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        raise gone(pid) from None
    except OSError:
        return NodeEntry(pid)  # before Linux 5.3: read anew each time
    try:
        node = NodeEntry(pid)
    except BaseException:
        os.close(handle)
        raise
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if len(_nodes) >= max(NODES_KNOWN, soft // _FILES_A_NODE):
        os.close(_nodes.pop(next(iter(_nodes)))[1])
    _nodes[pid] = node, handle
    return node


def forget_nodes() -> None:
    """Forget all, in a fresh child, which closes their handles itself."""
    _nodes.clear()


def has_ended(pid: int, handle: int) -> bool:
    """Whether a process has ended, by its pidfd, or by its number where that is -1."""
    if handle < 0:
        return not os.path.exists(f"/proc/{pid}")
    # pidfd_open(2): readable once the process has ended.
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


@functools.cache
def own_namespaces() -> dict[str, int]:
    """Return {kind: inode number} of the agent's namespaces, of those this kernel has."""
    own = {}
    for name, _ in _NAMESPACES:
        with contextlib.suppress(FileNotFoundError):
            own[name] = os.stat(f"/proc/self/ns/{name}").st_ino
    return own


def enter_namespaces(pid: int, namespaces: Sequence[tuple[str, int]]) -> None:
    """Enter namespaces of a node, in this order, its root and working directory."""
    opened = [(open_namespace(pid, name), kind) for name, kind in namespaces]
    try:
        root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        cwd = os.open(f"/proc/{pid}/cwd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise gone(pid) from None
    for fd, kind in opened:
        setns(fd, kind)
        os.close(fd)
    os.fchdir(root)
    os.chroot(".")
    os.fchdir(cwd)
    os.close(root)
    os.close(cwd)


@contextlib.contextmanager
def inside(pid: int) -> Iterator[None]:
    """See the files of a node within the block, and nothing of the helper's.

    Nothing may be imported in the block: it would be the node's own file.

    """
    # The way back has to be open before the way in is taken.
    mount = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        enter_namespaces(pid, [("mnt", CLONE_NEWNS)])
        try:
            yield
        finally:
            try:
                setns(mount, CLONE_NEWNS)
                os.fchdir(root)
                os.chroot(".")
            except OSError:
                # To go on here would be to trust the node's files.
                os._exit(70)
    finally:
        os.close(mount)
        os.close(root)


def enter_network(pid: int) -> None:
    fd = open_namespace(pid, "net")
    try:
        setns(fd, CLONE_NEWNET)
    finally:
        os.close(fd)


@contextlib.contextmanager
def in_network(pid: int) -> Iterator[None]:
    """Be in a node's network within the block, with the files and all else of here."""
    with coming_back():
        enter_network(pid)
        yield


@contextlib.contextmanager
def coming_back() -> Iterator[int]:
    """Be in this network again after the block, whichever the block has entered.

    The block gets a descriptor of this network, by which it may come back earlier.

    """
    # The way back has to be open before another is taken.
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            yield own
        finally:
            setns(own, CLONE_NEWNET)
    finally:
        os.close(own)
