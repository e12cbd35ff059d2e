"""The maker: makes hosts out of namespaces, for the lab that it is in.

A neighbour of `keeper`: standard library, `agent`, `model.containers.capabilities`,
`filesystems`, `user_namespaces`, `host_register`, `pause`, `cgroups`.
Several makers serve one socket of packets; one packet asks for one host::

    {"name", "hostname", "layers": [folder, ...] or null, "environ": {name: value},
     "command": [...] or [], "cwd", "capabilities": ["NET_ADMIN"],
     "limits": {"memory_mb", "cpus", "processes"} or null, "user": name or "",
     "shm_mb": number or null, "devices": ["/dev/net/tun"], "ulimits": [[number, soft, hard]],
     "written": [folder that stays open when the root is closed]}

and one comes back, ``{"name", "pid"}`` or ``{"name", "error"}`` as the agent
writes errors.  The pid is that of the host's first process as the lab's
processes count.  With the end of the line the maker ends; its hosts go on.

A host's root is an overlay: ``layers`` are folders, uppermost first, that stay as
they are (null: the machine's own root, see `machine_layer`); `filesystems.host_root` puts it
together.  Without a ``command`` the first process is `pause`, which needs nothing of the root.

See namespaces(7), capabilities(7).

"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import json
import operator
import os
import resource
import select
import signal
import socket
from collections.abc import Sequence
from typing import Any, NoReturn

from playground.agent import protocol
from playground.agent.kernel import control_groups, execvpe, seccomp, syscalls
from playground.agent.kernel.ids import become_group
from playground.agent.nodes import descriptors
from playground.agent.nodes.users import find_account
from playground.engines import pause
from playground.engines.namespaces import host_register, user_namespaces
from playground.engines.namespaces.filesystems.device_files import make_lab_devices
from playground.engines.namespaces.filesystems.hidden_files import not_for_hosts, thermal_folders
from playground.engines.namespaces.filesystems.host_root import PLACE, machine_view, make_root
from playground.engines.namespaces.filesystems.mounts import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    in_user_namespace,
    mount,
)
from playground.engines.namespaces.filesystems.paths_in_root import made_place
from playground.engines.namespaces.filesystems.shared_volumes import make_shared
from playground.model.containers.capabilities import OF_EVERY_HOST, capability_mask

# Without that of users, which would lead nowhere back: see `namespaces.user_namespaces`.
_NAMESPACES = (
    ("net", syscalls.CLONE_NEWNET),
    ("ipc", syscalls.CLONE_NEWIPC),
    ("uts", syscalls.CLONE_NEWUTS),
    ("pid", syscalls.CLONE_NEWPID),
    ("mnt", syscalls.CLONE_NEWNS),
)

# The network comes with the user namespace that owns it.
_ALL_BUT_NETWORK = functools.reduce(operator.or_, (kind for _, kind in _NAMESPACES[1:]))

_libc = ctypes.CDLL(None, use_errno=True)

Request = dict[str, Any]


def prepare_lab() -> None:
    """Give the lab's first process a /proc and a /run of the lab's own.

    To be called in fresh mount and process-id namespaces.

    """
    mount("", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs(PLACE)
    host_register.make()
    if not in_user_namespace():
        make_lab_devices()


def serve(line: socket.socket, lab: str) -> None:
    """Make what each packet asks for, until the line ends."""
    if reason := seccomp.missing():
        _refuse_all(line, reason)
        return
    # Looked up before hosts are forked, which then have it in their memory.
    seccomp.prepare()
    _other_capabilities(capability_mask(OF_EVERY_HOST))
    own = [
        (os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC), kind)
        for name, kind in _NAMESPACES
    ]
    machine_view()
    thermal_folders()
    not_for_hosts()
    while packet := line.recv(1 << 18):
        request = json.loads(packet)
        reply: dict[str, Any] = {"name": request["name"]}
        try:
            reply["pid"] = make_host(request, lab, own)
        except Exception as error:
            reply["error"] = protocol.describe(error)
        with contextlib.suppress(OSError):
            line.send(json.dumps(reply).encode())


def _refuse_all(line: socket.socket, reason: str) -> None:
    """Answer each packet that there is no filter; else hosts would run without, unseen."""
    error = OSError(errno.ENOSYS, reason)
    while packet := line.recv(1 << 18):
        reply = {"name": json.loads(packet)["name"], "error": protocol.describe(error)}
        with contextlib.suppress(OSError):
            line.send(json.dumps(reply).encode())


def make_host(request: Request, lab: str, own: Sequence[tuple[int, int]]) -> int:
    """Make one host; return the process id of its first process.

    ``own`` are this process's namespaces, to come back to.  Raises OSError; then
    nothing is left of the host.

    """
    make_shared(request.get("volumes") or ())
    reader, writer = os.pipe()
    groups = _make_cgroup(request, lab)
    try:
        with user_namespaces.made_with_network() as (user, network):
            try:
                syscalls.setns(network, syscalls.CLONE_NEWNET)
                _unshare(_ALL_BUT_NETWORK)
                child = os.fork()
                if child == 0:
                    os.close(reader)
                    _become_host(request, lab, groups, writer, user)
            finally:
                for fd, kind in own:
                    syscalls.setns(fd, kind)
        os.close(writer)
        writer = -1
        said = b"".join(iter(lambda: os.read(reader, 1 << 16), b""))
        if said:
            os.waitpid(child, 0)
            error = json.loads(said)
            raise OSError(error["errno"] or errno.EIO, f"{request['name']}: {error['message']}")
        host_register.note(request["name"], child)
    except BaseException:
        if groups:
            _remove_cgroup(request, lab)
        raise
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    return child


def _unshare(flags: int) -> None:
    syscalls.checked(_libc.unshare(flags), "making a host's namespaces")


def _make_cgroup(request: Request, lab: str) -> list[str]:
    if not request.get("limits"):
        return []
    from playground.engines.namespaces import cgroups

    files: list[str] = cgroups.make_group(lab, request["name"], request["limits"])
    return files


def _remove_cgroup(request: Request, lab: str) -> None:
    from playground.engines.namespaces import cgroups

    cgroups.remove_group(lab, request["name"])


# -- Within the host ---------------------------------------------------------


def _become_host(
    request: Request, lab: str, groups: Sequence[str], report: int, user: int
) -> NoReturn:
    """Turn this fresh child process into a host's first process; never returns.

    ``user`` is the host's user namespace, which is entered last: the mounts are not the
    host's to change.

    """
    try:
        # Half made, it must not outlive who is to tell of it.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if _nobody_reads(report):  # it died before that
            os._exit(127)
        os.setsid()
        os.umask(0)
        # Before the namespace: the group it is in becomes its root.
        control_groups.join_cgroups(groups)
        # By the host itself: in a user namespace there is no way back to the machine's.
        _unshare(syscalls.CLONE_NEWCGROUP)
        environ = dict(request["environ"])
        environ |= {
            "playground.lab": lab,
            "playground.role": "node",
            "playground.node": request["name"],
        }
        make_root(request)
        socket.sethostname(request["hostname"])
        os.umask(0o022)
        # As Docker does: an image may name a folder that it does not have.
        with made_place(request["cwd"]) as folder:
            os.fchdir(folder.descriptor)
        # In a user namespace none could be raised.
        files = descriptors.FILES_LIMITS
        for number, soft, hard in request["ulimits"]:
            if number == resource.RLIMIT_NOFILE:
                files = (soft, hard)
                # Not yet the soft one, up to which descriptors are closed below.
                soft = min(hard, max(soft, resource.getrlimit(number)[0])) if hard != -1 else soft
            resource.setrlimit(number, (soft, hard))
        syscalls.setns(user, syscalls.CLONE_NEWUSER)
        # The kernel forgets it with a change of credentials: prctl(2).
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if not seccomp.confine():
            raise OSError(errno.ENOSYS, seccomp.NO_FILTERS)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for target in range(3):
            os.dup2(null, target)
        descriptors.keep_only(report, files)
        os.set_inheritable(report, False)
        execvpe.heed_signals()
        # Ignored, so that the kernel reaps what is left without a parent.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        account = find_account(request["user"]) if request["user"] else None
        give_up_capabilities(capability_mask(request["capabilities"]))
        if account is not None:
            become_group(account.gid, account.groups)
            os.setresuid(account.uid, account.uid, account.uid)
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 0)
        execvpe.execute(request["command"] or [pause.PAUSE], environ)
    except BaseException as error:
        os.write(report, json.dumps(protocol.describe(error, with_traceback=False)).encode())
    finally:
        os._exit(127)


def _nobody_reads(pipe: int) -> bool:
    """Whether the other end of a pipe is closed: poll(2), POLLERR."""
    poll = select.poll()
    poll.register(pipe, 0)
    return bool(poll.poll(0))


@functools.cache
def _other_capabilities(mask: int) -> tuple[int, ...]:
    """Return those that this kernel knows and the mask has not."""
    known = int(syscalls.read_text("/proc/sys/kernel/cap_last_cap")) + 1
    return tuple(capability for capability in range(known) if not mask >> capability & 1)


def give_up_capabilities(mask: int) -> None:
    """Keep the capabilities of this mask and no others, over an exec too."""
    for capability in _other_capabilities(mask):
        if syscalls.prctl(syscalls.PR_CAPBSET_DROP, capability) != 0:
            syscalls.checked(-1, "dropping a capability")
    syscalls.prctl(syscalls.PR_CAP_AMBIENT, syscalls.PR_CAP_AMBIENT_CLEAR_ALL)
    syscalls.capset(mask, mask, 0)
