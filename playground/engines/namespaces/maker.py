"""The maker: makes hosts out of namespaces, for the lab that it is in.

A neighbour of `keeper`: standard library, `agent`, `machine_layer`, `places`, `volumes`,
`stranger_layer`, `user_namespaces`, `host_register`, `pause`, `cgroups`.  Several
makers serve one socket of packets; one packet asks for one host::

    {"name", "hostname", "layers": [folder, ...] or null, "environ": {name: value},
     "command": [...] or [], "cwd", "capabilities": ["NET_ADMIN"],
     "limits": {"memory_mb", "cpus", "processes"} or null, "user": name or "",
     "shm_mb": number or null, "devices": ["/dev/net/tun"], "ulimits": [[number, soft, hard]],
     "written": [folder that stays open when the root is closed]}

and one comes back, ``{"name", "pid"}`` or ``{"name", "error"}`` as the agent
writes errors.  The pid is that of the host's first process as the lab's
processes count.  With the end of the line the maker ends; its hosts go on.

A host's root is an overlay: ``layers`` are folders, uppermost first, that stay as
they are (null: the machine's own root, see `machine_layer`); what the host writes
goes into memory of its own, at most `DISK_LIMIT_MB`.  /proc, /sys and /dev are its
own, and no device file in its root can be used.  Whatever the layers of a stranger's
image have in the places of these, links that lead out of it for instance, is replaced.
Without a ``command`` the first process is `pause`, which needs nothing of the root.

See mount(2), pivot_root(2), proc(5), capabilities(7).

"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import json
import operator
import os
import re
import resource
import select
import signal
import socket
import stat
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from playground.agent import protocol
from playground.agent.kernel import control_groups, execvpe, seccomp, syscalls
from playground.agent.kernel.ids import become_group
from playground.agent.nodes import descriptors
from playground.agent.nodes.users import find_account
from playground.engines import pause
from playground.engines.namespaces import (
    host_register,
    machine_layer,
    mounts,
    stranger_layer,
    user_namespaces,
    volumes,
)
from playground.engines.namespaces.mounts import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    mount,
    overlay_options,
)
from playground.engines.namespaces.places import made_place

# The most that a host may write in all.  It is memory: one host must not take all that the
# machine has.  The small parts are file systems of their own, so that a full disk
# keeps no lab from giving its hosts keys (a thousand hosts' are 100 kB).
DISK_LIMIT_MB = 1024
_LAB_KB = 16 << 10
_SHARED_MEMORY_KB = 64 << 10
_DEVICES_KB = 1 << 10

# Empty files take memory too, some 1 kB each, which no size counts.
_FILES = 1 << 17
_FILES_OF_PARTS = 1 << 12

# Segments of shmget(2), the elder of shm_overview(7), are in no file system: pages of
# 4 kB, as many as in /dev/shm.
_SHARED_PAGES = _SHARED_MEMORY_KB // 4

# Of the machine's, which are 4096 in all: /proc/sys/kernel/pty/max.
_TERMINALS = 256

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

# Docker's default, daemon/pkg/oci/caps/defaults.go of moby; numbers of
# linux/capability.h.
_CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "MKNOD": 27,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
# Of the others that a container may be given most are the machine's to the kernel, which asks
# for them in its first user namespace (capable(), kernel/capability.c): a host has another.
_FURTHER_CAPABILITIES = {"NET_BROADCAST": 11, "NET_ADMIN": 12, "SYS_PTRACE": 19}

# Their numbers are Documentation/admin-guide/devices.txt of the kernel.
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}

# A host that asks for one has it, if the machine does.  What they reach is their opener's.
_FURTHER_DEVICES = ("/dev/fuse", "/dev/hwrng", "/dev/net/tun", "/dev/ppp")

# As moby has them (daemon/pkg/oci/defaults.go), and the addresses of the kernel's own
# memory: what tells of the machine, and what would change it.
_MASKED_FILES = (
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/interrupts",
    "/proc/vmallocinfo",
)
_MASKED_FOLDERS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
    # Not moby's: root's alone, and for root the kernel takes a host's.  Serial numbers;
    # what the kernel's memory is used for; a watch of what programs use.
    "/sys/devices/virtual/dmi",
    "/sys/kernel/slab",
    "/sys/kernel/mm/damon",
)
# From how hot it is follows what its other programs do: GHSA-6fw5-f8r9-fgfm of moby.
_THERMAL = re.compile(r"cpu\d+")
_PROCESSORS = "/sys/devices/system/cpu"
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger", "/proc/sys")
# The network's settings are the host's own; but for these, which are all networks'.
_WRITABLE = "/proc/sys/net"
_OF_ALL_NETWORKS = ("/proc/sys/net/netfilter/nf_hooks_lwtunnel",)

# mount(2) takes a page of options, of which an overlay's other ones have the rest.
_ROOM_FOR_LAYERS = 3500

# Where a host's root is put together, in the lab's own /run; each host sees
# another file system there, for each has a mount namespace of its own.
_PLACE = "/run/playground/node"

# In a host's root, of that root's own memory: where its volumes wait for it.
_HELD = "/run/playground/volumes"

# The hosts' device files.  The machine's own would be changed by a chmod in a host.
_LAB_DEVICES = "/run/playground/dev"

_libc = ctypes.CDLL(None, use_errno=True)

Request = dict[str, Any]


def prepare_lab() -> None:
    """Give the lab's first process a /proc and a /run of the lab's own.

    To be called in fresh mount and process-id namespaces.

    """
    mount("", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.makedirs(_PLACE)
    host_register.make()
    if not in_user_namespace():
        _make_lab_devices()


def _make_lab_devices() -> None:
    os.mkdir(_LAB_DEVICES)
    flags = MS_NOSUID | MS_NOEXEC
    mount("tmpfs", _LAB_DEVICES, "tmpfs", flags, "mode=755")
    for name, numbers in _DEVICES.items():
        path = f"{_LAB_DEVICES}/{name}"
        os.mknod(path, stat.S_IFCHR, os.makedev(*numbers))
        os.chmod(path, 0o666)
    for device in _FURTHER_DEVICES:
        with contextlib.suppress(OSError):
            found = os.stat(device)
            if stat.S_ISCHR(found.st_mode):
                path = _LAB_DEVICES + device.removeprefix("/dev")
                os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
                os.mknod(path, stat.S_IFCHR, found.st_rdev)
                os.chmod(path, stat.S_IMODE(found.st_mode))
    # Wherever they are bound to, nobody changes them: a device may be written all the same.
    mount("", _LAB_DEVICES, "", MS_REMOUNT | MS_RDONLY | flags)


def serve(line: socket.socket, lab: str) -> None:
    """Make what each packet asks for, until the line ends."""
    if reason := seccomp.missing():
        _refuse_all(line, reason)
        return
    # Looked up before hosts are forked, which then have it in their memory.
    seccomp.prepare()
    _other_capabilities(capability_mask(["NET_ADMIN"]))
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
        _make_root(request)
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


def _make_root(request: Request) -> None:
    """Put the host's file system together and make it this process's root."""
    root = f"{_PLACE}/root"
    sizes = sizes_within((request.get("limits") or {}).get("memory_mb"))
    if request["shm_mb"]:
        sizes = sizes._replace(shared_kb=request["shm_mb"] << 10)
    options = _memory(sizes.disk_kb, 0o755, sizes.files)
    mount("tmpfs", _PLACE, "tmpfs", MS_NOSUID | MS_NODEV, options)
    os.mkdir(root)
    plain = request["layers"] is None
    view = machine_view() if plain else _view_of_layers(request["layers"])
    if "/" not in view.overlays:
        mount(root, root, "", MS_BIND)
        for folder in ("dev", "proc", "sys", "run", "tmp"):
            os.mkdir(f"{root}/{folder}")
    for number, (folder, layers) in enumerate(view.overlays.items()):
        upper, work = f"{_PLACE}/upper{number}", f"{_PLACE}/work{number}"
        target = root + folder.rstrip("/")
        os.makedirs(target, 0o755, exist_ok=True)
        if layers:
            os.mkdir(upper, _mode(layers[0]))
            os.mkdir(work)
            _overlay(target, layers, upper, work)
    for place, leads_to in view.links.items():
        os.symlink(leads_to, root + place)
    os.chdir(root)
    if plain:
        # Of the same memory as all that the host writes, with the same flags.
        for folder, mode in (("run", 0o755), ("tmp", 0o1777)):
            os.mkdir(f"{_PLACE}/{folder}", mode)
            mount(f"{_PLACE}/{folder}", folder, "", MS_BIND)
        os.mkdir("run/lock", 0o1777)
    for folder in ("dev", "proc", "sys", "run", "run/playground"):
        _make_folder(folder)
    # For what a lab makes for its hosts, as on Docker: see playground.lab.provision.
    options = _memory(sizes.lab_kb, 0o755, sizes.files_of_parts)
    mount("tmpfs", "run/playground", "tmpfs", MS_NOSUID | MS_NODEV, options)
    if not request["command"]:
        pause.write()
    mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    _make_devices(sizes, request["devices"])
    held = volumes.hold_volumes(request.get("volumes") or (), _HELD.lstrip("/"))
    # pivot_root(2), "pivot_root(".", ".")".
    syscalls.checked(_libc.pivot_root(b".", b"."), "changing the root")
    # No path is walked before: the machine's root is on top, and "/.." leads to it.
    syscalls.checked(_libc.umount2(b".", MNT_DETACH), "leaving the machine's root")
    os.chdir("/")
    volumes.show_volumes(held, _HELD)
    _make_mounts(request["written"])
    _protect()


def _make_mounts(paths: Sequence[str]) -> None:
    """Make folders mounts of their own, which stay open when the root is closed: VOLUME.

    Of the kernel's file systems none is shown a second time, without what is hidden in it.

    """
    for path in paths:
        with contextlib.suppress(NotADirectoryError), made_place(path) as place:
            if place.path.split("/")[1] not in ("", "dev", "proc", "run", "sys"):
                mount(place.name, place.name, "", MS_BIND)


def _view_of_layers(layers: Sequence[str]) -> machine_layer.View:
    # An image without any files has no layers; its root is made as one in pieces is.
    return machine_layer.View({"/": list(layers)} if layers else {}, {})


def _make_folder(path: str) -> None:
    """Make sure that a path of the root to be is a folder, for a mount.

    The root is no process's root yet: a link that an image has there would lead to the
    machine's files.

    """
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            return
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.mkdir(path, 0o755)


class Sizes(NamedTuple):
    """The sizes of what a host may write: in kB, and how many files."""

    disk_kb: int
    lab_kb: int
    shared_kb: int
    devices_kb: int
    files: int
    files_of_parts: int


def sizes_within(memory_mb: int | None) -> Sizes:
    """Return the sizes for a host whose limit of memory is this; None: it has none.

    Files are memory that no process of its own gives back.  So they end at half of the
    limit, when a disk is full, and not at the limit, where the kernel would kill whatever
    starts in the host from then on.

    >>> sizes_within(64)
    Sizes(disk_kb=23552, lab_kb=4096, shared_kb=4096, devices_kb=1024, files=8192, ...)

    """
    small = _LAB_KB, _SHARED_MEMORY_KB, _DEVICES_KB
    all_kb, files = DISK_LIMIT_MB << 10, _FILES
    if memory_mb is not None:
        all_kb = min(all_kb, memory_mb << 9)
        files = min(files, memory_mb << 7)
    lab_kb, shared_kb, devices_kb = (
        min(size_kb, all_kb // share) for size_kb, share in zip(small, (8, 8, 32), strict=True)
    )
    disk_kb = all_kb - lab_kb - shared_kb - devices_kb
    return Sizes(disk_kb, lab_kb, shared_kb, devices_kb, files, min(_FILES_OF_PARTS, files // 8))


def _memory(size_kb: int, mode: int, files: int) -> str:
    """The options of a file system in memory that ends somewhere: tmpfs(5)."""
    return f"mode={mode:o},size={size_kb}k,nr_inodes={files}"


def _mode(folder: str) -> int:
    """The mode of a folder, which is that of the uppermost layer in an overlay."""
    return os.stat(folder).st_mode & 0o7777


def _overlay(target: str, layers: Sequence[str], upper: str, work: str) -> None:
    own = f",upperdir={upper},workdir={work}"
    if in_user_namespace():
        # Without root its notes are in other attributes: overlayfs.rst.
        own += ",userxattr"
    # nodev: a host may make device files (CAP_MKNOD), but use none.
    with mounts.short_names(layers, _ROOM_FOR_LAYERS) as lower:
        mount("overlay", target, "overlay", MS_NODEV, overlay_options(lower) + own)


@functools.cache
def machine_view() -> machine_layer.View:
    """Return how the machine's root is shown; looked at once, before hosts are made."""
    if in_user_namespace():
        return machine_layer.view_in_pieces()
    whole = machine_layer.whole_view()
    return machine_layer.View(stranger_layer.shown(whole.overlays), whole.links)


@functools.cache
def in_user_namespace() -> bool:
    return syscalls.read_text("/proc/self/uid_map").split() != ["0", "0", "4294967295"]


def _make_devices(sizes: Sizes, further: Sequence[str]) -> None:
    """Fill the host's /dev: harmless devices, and terminals of its own."""
    # nodev on the folder, not on what is bound into it: a device file that the
    # host makes here is of no use to it.
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    options = _memory(sizes.devices_kb, 0o755, sizes.files_of_parts)
    mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NODEV, options)
    # In a user namespace no device can be made; nor can the machine's be changed.
    source = "/dev" if in_user_namespace() else _LAB_DEVICES
    for name in (*_DEVICES, *(path.removeprefix("/dev/") for path in further)):
        os.makedirs(os.path.dirname(f"dev/{name}"), 0o755, exist_ok=True)
        os.close(os.open(f"dev/{name}", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))
        mount(f"{source}/{name}", f"dev/{name}", "", MS_BIND)
    for folder in ("pts", "shm", "mqueue"):
        os.mkdir(f"dev/{folder}")
    terminals = f"newinstance,ptmxmode=0666,mode=0620,max={_TERMINALS}"
    if not in_user_namespace():
        terminals += ",gid=5"  # Debian's group tty
    mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, terminals)
    options = _memory(sizes.shared_kb, 0o1777, sizes.files_of_parts)
    mount("tmpfs", "dev/shm", "tmpfs", flags, options)
    mount("mqueue", "dev/mqueue", "mqueue", flags)
    for name, target in (
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        os.symlink(target, f"dev/{name}")


def _protect() -> None:
    """Hide what tells of the machine, and make read-only what would change it."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    with contextlib.suppress(FileNotFoundError, PermissionError):  # CONFIG_SYSVIPC; a user's lab
        syscalls.write_text("/proc/sys/kernel/shmall", str(_SHARED_PAGES))
    writable = os.open(_WRITABLE, os.O_PATH | os.O_CLOEXEC)
    further = not_for_hosts()
    for path in (*_READ_ONLY, *further.writable):
        if os.path.exists(path):
            mount(path, path, "", MS_BIND)
            mount("", path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | flags)
    mount(f"/proc/self/fd/{writable}", _WRITABLE, "", MS_BIND)
    os.close(writable)
    for path in _OF_ALL_NETWORKS:
        if os.path.exists(path):
            mount(path, path, "", MS_BIND)
            mount("", path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | flags)
    for path in (*_MASKED_FILES, *further.closed):
        if os.path.exists(path):
            mount("/dev/null", path, "", MS_BIND)
    for path in (*_MASKED_FOLDERS, *thermal_folders()):
        if os.path.isdir(path):
            mount("tmpfs", path, "tmpfs", flags | MS_RDONLY, "size=0k")


class OfTheMachine(NamedTuple):
    """Files of /proc that are the machine's: those closed to strangers, and writable ones."""

    closed: tuple[str, ...]
    writable: tuple[str, ...]


@functools.cache
def not_for_hosts(proc: str = "/proc") -> OfTheMachine:
    """Return what the kernel would let a host read, or write, as a file of root's.

    To many of its files the kernel asks for the user alone, and a host's root is the
    machine's: which page of memory is used how (kpageflags), say, or which messages the
    kernel writes (dynamic_debug).  Kernels differ in what they have, so it is looked up.

    """
    known = {*_READ_ONLY, *_MASKED_FILES, *_MASKED_FOLDERS}
    closed, writable = [], []
    for name in sorted(os.listdir(proc)):
        path = f"{proc}/{name}"
        if name.isdigit() or f"/proc/{name}" in known or os.path.islink(path):
            continue
        try:
            mode = os.stat(path).st_mode
            inner = os.listdir(path) if stat.S_ISDIR(mode) else []
        except OSError:
            continue  # it went with its module, or is closed to this user and so to hosts
        if stat.S_ISDIR(mode):
            if any(_is_writable(f"{path}/{name}") for name in inner):
                writable.append(path)
        elif not mode & stat.S_IROTH:
            closed.append(path)
        elif mode & _WRITE_BITS:
            writable.append(path)
    return OfTheMachine(tuple(closed), tuple(writable))


_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def _is_writable(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & _WRITE_BITS)


@functools.cache
def thermal_folders(processors: str = _PROCESSORS) -> tuple[str, ...]:
    """Return where the machine counts how often each processor was too hot."""
    folders = (
        f"{processors}/{name}/thermal_throttle"
        for name in sorted(os.listdir(processors))
        if _THERMAL.fullmatch(name)
    )
    return tuple(folder for folder in folders if os.path.isdir(folder))


def capability_mask(further: Sequence[str]) -> int:
    """Return Docker's default capabilities and some more as a mask.

    Raises ValueError for a name that no host may have.

    >>> hex(capability_mask(["NET_ADMIN"]))
    '0xa80435fb'

    """
    mask = 0
    for number in _CAPABILITIES.values():
        mask |= 1 << number
    for name in further:
        if name not in _FURTHER_CAPABILITIES:
            raise ValueError(f"a host cannot have the capability {name}")
        mask |= 1 << _FURTHER_CAPABILITIES[name]
    return mask


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
