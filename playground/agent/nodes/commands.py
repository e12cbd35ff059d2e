"""Starting a command in a node, with what the container has and nothing more."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence

from playground.agent.kernel.control_groups import join_cgroups
from playground.agent.kernel.execvpe import change_directory, execute, heed_signals, spawn
from playground.agent.kernel.ids import ROOT_ALONE, become_group, give_to, has_all_ids
from playground.agent.kernel.resource_limits import set_limits
from playground.agent.kernel.seccomp import confine
from playground.agent.kernel.syscalls import (
    CLONE_NEWPID,
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAPBSET_DROP,
    PR_SET_NO_NEW_PRIVS,
    capset,
    checked,
    permitted_capabilities,
    prctl,
    setns,
    write_text,
)
from playground.agent.nodes.descriptors import keep_only
from playground.agent.nodes.entering import (
    NodeEntry,
    enter_namespaces,
    every_capability,
    find_node,
    open_namespace,
    own_bounding,
)
from playground.agent.nodes.terminals import open_terminal
from playground.agent.nodes.users import find_account
from playground.agent.protocol import describe


class Command:
    """The settings of a child process."""

    def __init__(
        self,
        argv: Sequence[str],
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
        tty: Sequence[int] | None = None,
        prepare: Callable[[], Sequence[str]] | None = None,
        own_stdio: bool = False,
    ) -> None:
        if not argv or not all(isinstance(word, str) for word in argv):
            raise TypeError("argv must be a list of words, the command's name first")
        if any("\0" in word for word in argv):
            raise ValueError("a word of a command cannot hold a NUL character")
        self.argv = list(argv)
        self.env = dict(env or {})
        self.cwd = cwd
        self.user = user
        self.tty = tty
        # Called inside the node before anything is run there; returns the ends of the last
        # word, for each of which the command is run in a session of its own.
        self.prepare = prepare
        # Whether its pipes are to be its user's: /dev/stdout is opened anew by name then,
        # as programs do that log there.
        self.own_stdio = own_stdio


def start_in_node(
    pid: int, command: Command, stdio: tuple[int, int, int] | None
) -> tuple[int, socket.socket]:
    """Fork, enter the node, and run the command there.

    Returns the child's process id and a socket.  The socket gives end of file
    when the command runs, or a JSON error when it cannot be run; for a terminal
    it brings the terminal's file descriptor first.  ``stdio`` is left open here.

    """
    node = find_node(pid)
    with contextlib.ExitStack() as stack:
        namespace = open_namespace(pid, "pid")
        stack.callback(os.close, namespace)
        own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, own_namespace)
        here, there = socket.socketpair()
        stack.callback(there.close)
        try:
            # Only processes forked after this are inside (pid_namespaces(7)): the
            # agent itself stays where it is.
            setns(namespace, CLONE_NEWPID)
            try:
                child = os.fork()
                if child == 0:
                    _become(node, command, stdio, there)
            finally:
                setns(own_namespace, CLONE_NEWPID)
        except BaseException:
            here.close()
            raise
    return child, here


def _become(
    node: NodeEntry,
    command: Command,
    stdio: tuple[int, int, int] | None,
    channel: socket.socket,
) -> None:
    """Turn this fresh child process into the command; never returns.

    Nothing may be imported here, see `inside`.

    """
    # The node sees this process already, and its root is stopped by two things
    # only from looking into it once it has the node's capabilities: see `main`
    # for the other.  So it keeps nothing of the agent's.
    try:
        signal.set_wakeup_fd(-1)
        if stdio is None:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            stdio = (null, null, null)
        dup_stdio(stdio)
        keep_only(channel.fileno())
        os.setsid()
        join_cgroups(node.cgroup_files)
        take_over_labels(node.oom_score_adj, node.apparmor)
        set_limits(node.resource_limits)  # in a user namespace none could be raised
        enter_namespaces(node.pid, node.namespaces)
        environ = {**node.environ}
        if command.user is None:
            uid, gid, groups = node.uid, node.gid, node.groups
            if "HOME" not in environ:
                environ["HOME"] = find_account(str(uid)).home
        else:
            account = find_account(command.user)
            uid, gid, groups = account.uid, account.gid, account.groups
            environ.update(
                HOME=account.home, USER=account.name, LOGNAME=account.name, SHELL=account.shell
            )
        environ.update(command.env)
        if command.tty is not None:
            dup_stdio(open_terminal(command.tty, uid, channel))
        if command.cwd is not None:
            change_directory(command.cwd)
        ends = None if command.prepare is None else command.prepare()
        if command.own_stdio:
            with contextlib.suppress(OSError):
                for fd in (1, 2):
                    give_to(fd, uid, gid)
        _drop_privileges(node, uid, gid, groups)
        heed_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        if ends is None:
            execute(command.argv, environ)
        else:
            *words, last = command.argv
            for end in ends:
                spawn([*words, last + end], environ)
            os._exit(0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            channel.sendall(json.dumps(describe(error, with_traceback=False)).encode())
    finally:
        os._exit(127)


def dup_stdio(stdio: tuple[int, int, int]) -> None:
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)


def take_over_labels(oom_score_adj: str, apparmor: str) -> None:
    if oom_score_adj != "0":
        # Lowering it takes CAP_SYS_RESOURCE, which a helper may lack.
        with contextlib.suppress(OSError):
            write_text("/proc/self/oom_score_adj", oom_score_adj)
    if apparmor.endswith("(enforce)"):
        # The profile for the next exec, apparmor(7); as the engine does.
        with contextlib.suppress(OSError):
            write_text("/proc/self/attr/exec", "exec " + apparmor.rpartition(" ")[0])


def drop_from_bounding(surplus: int) -> None:
    """Let nothing that this process executes have these capabilities, a mask."""
    for capability in range(surplus.bit_length()):
        if surplus >> capability & 1:
            checked(prctl(PR_CAPBSET_DROP, capability), "dropping a capability")


def _drop_privileges(node: NodeEntry, uid: int, gid: int, groups: Sequence[int]) -> None:
    """Keep of the helper's powers what the container has, and become the user."""
    if node.confined:
        confine()
    # capabilities(7): over an exec by root, permitted becomes inheritable |
    # bounding; by another user, nothing without ambient capabilities.
    # Who enters a user namespace has them all there.
    drop_from_bounding((every_capability() if node.own_users else own_bounding()) & ~node.bounding)
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    become_group(gid, groups)
    held = permitted_capabilities()
    capset(held, held, node.inheritable)
    # From root to another user clears permitted and effective.
    try:
        os.setresuid(uid, uid, uid)
    except OSError:
        if has_all_ids():
            raise
        raise PermissionError(errno.EPERM, ROOT_ALONE) from None
    if uid == 0:
        kept = held & node.bounding
        capset(kept, kept, node.inheritable)
    if node.no_new_privs:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
