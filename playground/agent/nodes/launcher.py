"""The launcher: starts a node's commands without forking the agent.

Forking a Python process takes 1.5 ms on an idle machine and 8 ms on a busy
one, since the child copies each page it touches; `subprocess`, which uses
vfork(2), takes 0.8 and 1.1 ms.  But vfork leaves no room for Python code in
the child.  So a launcher gives up for good what a node's commands may not
have, and enters the node's namespaces for the moment of each start; a user
namespace of the node's own, from which no way leads back, for good.  The
commands are its children.

Each node has a launcher of its own: until a child is at its exec, vfork holds the
launcher, and whoever is root in the node may stop the child just there.  A mother
of launchers, one for nodes that are alike, has imported what they need and given
up what they give up, so that a launcher is a fork of 1 ms.

"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

from playground.agent.kernel.control_groups import (
    cgroup_files,
    cgroup_mounts,
    join_cgroups,
    own_cgroups,
)
from playground.agent.kernel.execvpe import change_directory, explain_exec, places
from playground.agent.kernel.ids import become_group
from playground.agent.kernel.seccomp import confine
from playground.agent.kernel.syscalls import (
    CLONE_NEWPID,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    capset,
    permitted_capabilities,
    prctl,
    setns,
)
from playground.agent.nodes.commands import drop_from_bounding, take_over_labels
from playground.agent.nodes.descriptors import keep_only
from playground.agent.nodes.entering import (
    NodeEntry,
    enter_namespaces,
    every_capability,
    find_node,
    open_namespace,
    own_bounding,
    own_namespaces,
)
from playground.agent.protocol import Request, describe


class Profile:
    """Privileges that a process gives up only once: nodes alike share a mother of launchers."""

    def __init__(self, node: NodeEntry) -> None:
        self.bounding = node.bounding
        self.inheritable = node.inheritable
        self.groups = tuple(node.groups)
        self.no_new_privs = node.no_new_privs
        self.confined = node.confined
        self.oom_score_adj = node.oom_score_adj
        self.apparmor = node.apparmor

    # By hand: to make a NamedTuple takes the start of an agent 1 ms.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Profile) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))


# The engine cannot remove a container's control group while somebody is in it.
# So a launcher goes back to its own as soon as the node's first process ends,
# and after this time without work; not at once, since the way to and fro takes
# the kernel 2 to 9 ms, more than a command does.
LAUNCHER_IDLE_S = 10.0

# A node that stops what starts in it, or has no time for it.
LATE = "the command had not begun in time and was given up"

# Longer requests are for a child of the agent's own.
LAUNCH_BYTES = 60_000


def start_mother(kind: Profile) -> tuple[int, socket.socket]:
    """Fork a mother of launchers; returns its process id and the socket to it.

    For each packet she forks a launcher, and hands it the line that came with it.
    The launcher's first packet on it is {"launcher": its process id}.  A request to it
    is a packet of JSON {"job", "pid", "argv", "env", "cwd", "by"} with the command's three
    descriptors and a socket, which gets {"pid"} or an error as in `start_in_node`; what
    comes to be read after ``by``, a time of this machine's clock, is given up.  Packets
    {"job", "returncode"} come back.

    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            keep_only(there.fileno())
            _fork_launchers(kind, there)
        finally:
            os._exit(0)
    there.close()
    # One that does not keep up must not stop the loop.
    here.setblocking(False)
    return pid, here


def _fork_launchers(kind: Profile, line: socket.socket) -> None:
    # Before any node is entered: nothing may be imported there.
    import subprocess
    import warnings  # noqa: F401 - os.get_exec_path wants it

    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _give_up(kind)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    wake, poll = _woken_by_children(line)
    gc.freeze()  # launchers share these pages until one side writes to them
    while True:
        for fd, _ in poll.poll():
            if fd == wake:
                os.read(wake, 4096)
                with contextlib.suppress(ChildProcessError):
                    while os.waitpid(-1, os.WNOHANG)[0]:
                        pass
                continue
            packet, descriptors, _, _ = socket.recv_fds(line, 64, 1)
            if not packet:
                return
            if os.fork() == 0:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                signal.set_wakeup_fd(-1)
                keep_only(descriptors[0])
                _launch_all(socket.socket(fileno=descriptors[0]), subprocess.Popen)
                os._exit(0)
            os.close(descriptors[0])


def _woken_by_children(line: socket.socket) -> tuple[int, select.poll]:
    """Return a pipe that has bytes once a child has ended, and what polls it and the line."""
    wake, woken = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(line, select.POLLIN)
    poll.register(wake, select.POLLIN)
    return wake, poll


def _launch_all(line: socket.socket, popen: Any) -> None:
    wake, poll = _woken_by_children(line)
    launcher = _Launcher(line, popen, poll)
    line.send(json.dumps({"launcher": os.getpid()}).encode())
    while True:
        ready = poll.poll(LAUNCHER_IDLE_S * 1000 if launcher.away else None)
        if not ready:
            launcher.return_to_own_cgroups()
        for fd, _ in ready:
            if fd == wake:
                os.read(wake, 4096)
                launcher.reap()
            elif fd == line.fileno():
                if not launcher.launch():
                    return
            elif launcher.settled:  # the node has ended, and with it all that runs there
                launcher.reap_all()
                return
            else:  # the node that it is away in has ended
                launcher.return_to_own_cgroups()


def _give_up(kind: Profile) -> None:
    if kind.confined:
        confine()
    drop_from_bounding(own_bounding() & ~kind.bounding)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    become_group(0, kind.groups)
    # Its permitted set is not inherited over the exec: that takes the
    # bounding and the inheritable set only.
    held = permitted_capabilities()
    capset(held, held, kind.inheritable)
    if kind.no_new_privs:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    take_over_labels(kind.oom_score_adj, kind.apparmor)


class _Launcher:
    def __init__(self, line: socket.socket, popen: Any, poll: select.poll) -> None:
        self.line = line
        self.popen = popen
        self.poll = poll
        # A pidfd of the node whose control groups it is in.
        self.host: int | None = None
        self.jobs: dict[int, int] = {}
        self.own_cgroups = cgroup_files(own_cgroups(), {}, cgroup_mounts())
        self.away: list[str] = []
        self.own = {
            name: os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            for name in ("pid", *own_namespaces())
        }
        self.root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # Whether it has entered a user namespace, and the rest of that node's, for good.
        self.settled = False

    def launch(self) -> bool:
        """Start what the next packet asks for; False at the end of the line."""
        packet, descriptors, _, _ = socket.recv_fds(self.line, LAUNCH_BYTES + 4096, 4)
        if not packet:
            return False
        request = json.loads(packet)
        channel = socket.socket(fileno=descriptors[3])
        try:
            answer = {"pid": self._start(request, descriptors[:3])}
        except Exception as error:
            answer = describe(error, with_traceback=False)
        with contextlib.suppress(OSError):
            channel.sendall(json.dumps(answer).encode())
        channel.close()
        for fd in descriptors[:3]:
            os.close(fd)
        return True

    def _start(self, request: Request, stdio: Sequence[int]) -> int:
        if time.monotonic() > request["by"]:
            raise TimeoutError(errno.ETIMEDOUT, LATE)
        node = find_node(request["pid"])
        if not node.cgroup_files:
            self.return_to_own_cgroups()
        elif self.away != node.cgroup_files:
            self._watch(node.pid)
            self.away = ["on the way"]
            join_cgroups(node.cgroup_files)
            self.away = node.cgroup_files
        try:
            if self.settled:
                os.fchdir(self.root)
            else:
                self._enter(node)
            if request["cwd"] is not None:
                change_directory(request["cwd"])
            argv, environ = request["argv"], request["env"]
            try:
                process = self._open(argv, environ, stdio)
            except OSError as error:
                there = [place for place in places(argv, environ) if os.path.exists(place)]
                if error.errno != errno.ENOEXEC or not there:
                    raise explain_exec(error, argv, environ) from None
                # A script without a first line that names its interpreter.
                process = self._open(["/bin/sh", there[0], *argv[1:]], environ, stdio)
        finally:
            if not self.settled:
                self._come_back(node)
        pid = int(process.pid)
        # We reap by ourselves; it must not wait for another process later.
        process.returncode = 0
        self.jobs[pid] = request["job"]
        return pid

    def _enter(self, node: NodeEntry) -> None:
        namespace = open_namespace(node.pid, "pid")
        try:
            setns(namespace, CLONE_NEWPID)
        finally:
            os.close(namespace)
        enter_namespaces(node.pid, node.namespaces)
        if node.own_users:
            self._settle(node)

    def _settle(self, node: NodeEntry) -> None:
        """Stay in the node, with nothing of what is outside; a process of it cannot see this."""
        # prctl(2): forgotten with a change of credentials.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # Who enters a user namespace has all capabilities there, and may inherit none.
        drop_from_bounding(every_capability() & ~node.bounding)
        every = permitted_capabilities()
        capset(every, every, node.inheritable)
        self.settled = True
        if self.host is None:
            self._watch(node.pid)
        for fd in (self.root, *self.own.values()):
            os.close(fd)
        self.own.clear()
        self.root = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _open(self, argv: Sequence[str], environ: Request, stdio: Sequence[int]) -> Any:
        return self.popen(
            argv,
            env=environ,
            stdin=stdio[0],
            stdout=stdio[1],
            stderr=stdio[2],
            start_new_session=True,
        )

    def _come_back(self, node: NodeEntry) -> None:
        try:
            setns(self.own["pid"], CLONE_NEWPID)
            for name, kind in reversed(node.namespaces):
                setns(self.own[name], kind)
            os.fchdir(self.root)
            os.chroot(".")
        except OSError:
            os._exit(70)  # to go on here would be to trust the node's files

    def _watch(self, pid: int | None) -> None:
        """Be told when this node ends, and no longer when the one before does."""
        host = None if pid is None else os.pidfd_open(pid)
        if self.host is not None:
            self.poll.unregister(self.host)
            os.close(self.host)
        self.host = host
        if host is not None:
            self.poll.register(host, select.POLLIN)

    def return_to_own_cgroups(self) -> None:
        if self.settled:
            return  # it ends when it is idle, or with the node
        self._watch(None)
        if self.away:
            self.away = []
            with contextlib.suppress(OSError):
                join_cgroups(self.own_cgroups)

    def reap_all(self) -> None:
        """Wait for the end of all that it has started."""
        self.reap(0)

    def reap(self, options: int = os.WNOHANG) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, options)
            except ChildProcessError:
                return
            if pid == 0:
                return
            job = self.jobs.pop(pid, None)
            if job is not None:
                returncode = os.waitstatus_to_exitcode(status)
                self.line.send(json.dumps({"job": job, "returncode": returncode}).encode())
