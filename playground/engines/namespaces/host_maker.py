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
import struct
from collections.abc import Sequence
from typing import Any, NoReturn

from playground.agent import protocol
from playground.agent.kernel import control_groups, execvpe, seccomp, syscalls
from playground.agent.kernel.call_list import OPENED, CallList, Later, can_start_children
from playground.agent.kernel.ids import become_group
from playground.agent.nodes import descriptors
from playground.agent.nodes.users import find_account
from playground.engines import pause
from playground.engines.namespaces import host_register, user_namespaces
from playground.engines.namespaces.filesystems import common_files
from playground.engines.namespaces.filesystems.device_files import make_lab_devices
from playground.engines.namespaces.filesystems.hidden_files import not_for_hosts, thermal_folders
from playground.engines.namespaces.filesystems.host_root import (
    PLACE,
    is_listed,
    list_root,
    machine_view,
    make_root,
)
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
    common_files.make()
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
            # What most hosts have in common is listed, and looked at, once.
            common = json.dumps({key: request[key] for key in request if key not in _OF_EACH})
            if _is_listed(common):
                child = _start_host(request, common, lab, groups, writer, user, network)
            else:
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
        if said := b"".join(iter(lambda: os.read(reader, 1 << 16), b"")).lstrip(_READS):
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

# A host that is made by a list of calls has its user namespace and the pipe here meanwhile.
_USER, _REPORT, _FREE = range(3)

# Of a request, what is another for each host.
_OF_EACH = frozenset({"name", "hostname", "environ"})

# What it says to find out whether anybody reads.
_READS = b"."


@functools.lru_cache(maxsize=8)
def _is_listed(common: str) -> bool:
    """Whether all that makes this host can be listed before: so it is for plain ones.

    Making those took 5.2 ms of processor time with a fork of Python, and takes 2.6 with a list.

    """
    request = json.loads(common)
    special = request["command"] or request["user"] or request["ulimits"] or request["cwd"] != "/"
    return not special and can_start_children() and is_listed(request)


def _start_host(
    request: Request,
    common: str,
    lab: str,
    groups: Sequence[str],
    report: int,
    user: int,
    network: int,
) -> int:
    """Start a host's first process by a list of calls; return its process id."""
    calls = _list_host(common, len(groups))
    hostname = os.fsencode(request["hostname"])
    environ = [f"{name}={value}" for name, value in _environ(request, lab).items()]
    joined = {_group(number): path for number, path in enumerate(groups)}
    return calls.start_child(
        _ALL_BUT_NETWORK,
        **joined,
        opened=_FREE,
        user=user,
        report=report,
        network=network,
        hostname=hostname,
        hostname_bytes=len(hostname),
        environ=environ,
    )


def _group(number: int) -> str:
    return f"group{number}"


@functools.lru_cache(maxsize=8)
def _list_host(common: str, groups: int) -> CallList:
    """List what turns a fresh child process into a host's first process, as `_become_host`.

    ``common`` is a request without what is known later, ``groups`` is how many control groups
    the host joins.

    """
    request = json.loads(common)
    calls = CallList()
    # Half made, it must not outlive who is to tell of it.
    _list_end_with_maker(calls)
    calls.add("setns", Later("network"), syscalls.CLONE_NEWNET, purpose="entering its network")
    for name, target in (("user", _USER), ("report", _REPORT)):
        calls.add("dup3", Later(name), target, 0, purpose="keeping what is open")
    calls.add("close_range", _FREE, 0xFFFFFFFF, 0, purpose="closing what is open")
    calls.add("write", _REPORT, _READS, len(_READS), purpose="telling the maker")
    calls.add("setsid", purpose="beginning a session")
    calls.add("umask", 0, purpose="setting the mask of modes")
    for number in range(groups):
        calls.write(Later(_group(number)), b"0", purpose="joining its control group")
    calls.add("unshare", syscalls.CLONE_NEWCGROUP, purpose="making its control group namespace")
    list_root(calls, request)
    length = Later("hostname_bytes")
    calls.add("sethostname", Later("hostname"), length, purpose="setting its name")
    calls.add("umask", 0o022, purpose="setting the mask of modes")
    calls.add("setns", _USER, syscalls.CLONE_NEWUSER, purpose="entering its user namespace")
    # The kernel forgets it with a change of credentials: prctl(2).
    _list_end_with_maker(calls)
    program = seccomp.prepare()
    assert program is not None
    calls.prctl(
        seccomp.PR_SET_SECCOMP,
        seccomp.SECCOMP_MODE_FILTER,
        ctypes.addressof(program),
        purpose="setting a filter of system calls",
    )
    calls.open("/dev/null", os.O_RDWR)
    for target in (_USER, _REPORT):
        calls.add("dup3", OPENED, target, 0, purpose="opening /dev/null")
    files = struct.pack("2q", *descriptors.FILES_LIMITS)
    purpose = "limiting its open files"
    calls.add("prlimit64", 0, resource.RLIMIT_NOFILE, files, 0, purpose=purpose)
    for number in execvpe.OFTEN_IGNORED:
        calls.treat_signal(number, signal.SIG_DFL)
    # Ignored, so that the kernel reaps what is left without a parent.
    calls.treat_signal(signal.SIGCHLD, signal.SIG_IGN)
    _list_capabilities(calls, capability_mask(request["capabilities"]))
    calls.prctl(syscalls.PR_SET_PDEATHSIG, 0, purpose="outliving the maker")
    calls.execute(pause.PAUSE, [pause.PAUSE], Later("environ"))
    return calls


def _list_end_with_maker(calls: CallList) -> None:
    calls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL, purpose="ending with the maker")


def _environ(request: Request, lab: str) -> dict[str, str]:
    labels = {
        "playground.lab": lab,
        "playground.role": "node",
        "playground.node": request["name"],
    }
    return dict(request["environ"]) | labels


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
        execvpe.execute(request["command"] or [pause.PAUSE], _environ(request, lab))
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
    calls = CallList()
    _list_capabilities(calls, mask)
    calls.make_here()


def _list_capabilities(calls: CallList, mask: int) -> None:
    for capability in _other_capabilities(mask):
        calls.prctl(syscalls.PR_CAPBSET_DROP, capability, purpose="dropping a capability")
    clear = syscalls.PR_CAP_AMBIENT_CLEAR_ALL
    calls.prctl(syscalls.PR_CAP_AMBIENT, clear, purpose="dropping ambient capabilities")
    header, data = syscalls.capability_sets(mask, mask, 0)
    calls.add("capset", header, data, purpose="setting capabilities")
