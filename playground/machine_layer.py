"""What hosts see of the machine's own root: a layer that hides what is not theirs.

Hosts of a lab without services have the machine's root file system below their
own changes.  Between the two lie two layers, made once a lab, in memory:
``hidden`` takes things away (whiteouts, see the kernel's
Documentation/filesystems/overlayfs.rst), ``fresh`` puts others in their place:
an empty /root and /home, accounts of the system alone and without passwords.
A whiteout in a lower layer ends the search, so that a fresh folder over it is
empty, on every kernel and without any extended attribute.

A neighbour of `keeper`: standard library only, and no import of ours.

"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from typing import NamedTuple

# In the lab's own /run.
PLACE = "/run/playground/machine"
LAYERS = (f"{PLACE}/fresh", f"{PLACE}/hidden")

# Folders that are a host's own: hidden, and then made anew with this mode.
_FRESH_FOLDERS = {
    "/root": 0o700,
    "/home": 0o755,
    "/mnt": 0o755,
    "/media": 0o755,
    "/srv": 0o755,
    "/var/log": 0o755,
    "/var/mail": 0o2775,
    "/var/spool/mail": 0o2775,
    "/var/spool/cron": 0o755,
    "/etc/ssl/private": 0o700,
}

# Folders and files that only the machine itself has business with.
_HIDDEN = (
    "/boot",
    "/lost+found",
    "/swapfile",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/lxd",
    "/var/lib/libvirt",
    "/var/lib/playground",
    "/var/lib/systemd",
    "/var/lib/NetworkManager",
    "/etc/NetworkManager/system-connections",
    "/etc/wireguard",
    "/etc/krb5.keytab",
    "/etc/machine-id",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/passwd-",
    "/etc/group-",
)

# Where curl, wget and others look for authorities; a lab adds its own.
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

# Numbers of people's accounts, as login.defs(5) of every distribution has them.
_PEOPLE = range(1000, 60000)

# Debian's, where a machine has none: who may use sudo.
_SUDO_GID = 27


# File systems with programs and settings in them; all others are the kernel's,
# somebody's data, or far away.
_DISKS = {"bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay"}
_DISKS |= {"squashfs", "xfs", "zfs"}
_SYSTEM = re.compile(r"/(usr|opt|etc|bin|sbin|lib\w*|nix|var|var/lib|gnu)(/local)?")


class View(NamedTuple):
    """How a host's root is put together from the machine's.

    ``overlays`` are {place: folders to lay over one another there, uppermost
    first}, outermost places first; where / is not among them the root is an empty
    folder, with ``links`` {place: where it leads} and the places in it.

    """

    overlays: dict[str, list[str]]
    links: dict[str, str]


@functools.cache
def whole_view() -> View:
    """Return the machine's root in one piece, as root may have it.

    A machine may have /usr or /var on a file system of its own, which an overlay
    of the root does not show: these are laid over it.

    """
    overlays = {"/": [*LAYERS, "/"]}
    for point in system_mounts(_mountinfo()):
        overlays[point] = _layers(point)
    return View(overlays, {})


@functools.cache
def view_in_pieces() -> View:
    """Return the machine's root in pieces, as a user namespace may have it.

    There the kernel lays no folder below an overlay that another file system is
    mounted in, for what that hides could be seen (clone_private_mount in the
    kernel's fs/namespace.c).  So folders are taken one by one.

    """
    points = mount_points(_mountinfo())
    overlays: dict[str, list[str]] = {}
    links: dict[str, str] = {}

    def take(folder: str, depth: int) -> None:
        if os.path.lexists(LAYERS[1] + folder) and not os.path.isdir(LAYERS[1] + folder):
            overlays[folder] = _layers(folder)[:-1]  # hidden: what is fresh there, if anything
        elif not any(point.startswith(f"{folder}/") for point in points):
            overlays[folder] = _layers(folder)
        elif depth < _DEPTH:
            overlays[folder] = []
            descend(folder, depth)

    def descend(folder: str, depth: int) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        for entry in entries:
            if entry.is_symlink():
                links[entry.path] = os.readlink(entry.path)
            elif entry.is_dir() and entry.path not in _OWN:
                take(entry.path, depth + 1)

    descend("/", 0)
    return View(overlays, links)


# Folders of a host's own, which are mounted, or made, by the maker.
_OWN = ("/dev", "/proc", "/sys", "/run", "/tmp")

# So deep a folder may lie that has a mounted one below it and is shown all the same.
_DEPTH = 3


def _layers(folder: str) -> list[str]:
    """Return what lies over one another in a folder: both layers, then the machine's."""
    over = [layer + folder for layer in LAYERS if os.path.isdir(layer + folder)]
    return [*over, folder]


def _mountinfo() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def mount_points(mountinfo: str) -> list[str]:
    """Return all mount points, as mountinfo writes them (proc(5)) but for its escapes."""
    points = [line.split(" ")[4] for line in mountinfo.splitlines()]
    return [re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), point) for point in points]


def system_mounts(mountinfo: str) -> list[str]:
    """Return the mount points, besides /, of file systems that belong to the system.

    In the order in which they lie over one another: see proc(5).

    """
    points = []
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        if right.split(" ")[0] in _DISKS and _SYSTEM.fullmatch(point):
            points.append(point)
    return sorted(set(points))


def make() -> None:
    """Make both layers; to be called once, as root in the lab's own mount namespace."""
    fresh, hidden = LAYERS
    os.makedirs(fresh)
    os.makedirs(hidden)
    for path in (*_FRESH_FOLDERS, *_HIDDEN, *_host_keys()):
        if os.path.lexists(path) and not os.path.islink(path):
            _white_out(hidden, path)
    for path, mode in _FRESH_FOLDERS.items():
        if os.path.isdir(path) and not os.path.islink(path):
            _folder(fresh, path)
            os.chmod(fresh + path, mode)
    for name in (".bashrc", ".profile"):
        with contextlib.suppress(OSError):
            _file(fresh, f"/root/{name}", _read(f"/etc/skel/{name}"))
    _file(fresh, "/etc/passwd", only_system(_read("/etc/passwd"), 2))
    _file(fresh, "/etc/group", with_sudo(only_system(_read("/etc/group"), 2)))
    _file(fresh, "/etc/shadow", locked(_read("/etc/passwd")), 0o640)
    _file(fresh, "/etc/nsswitch.conf", files_and_dns(_read("/etc/nsswitch.conf")))
    for name in ("hostname", "hosts", "resolv.conf"):
        # A link, to a file in /run for instance, would lead nowhere there.
        _file(fresh, f"/etc/{name}", "")
    # What a lab changes: without root it could not change the machine's.
    _file(fresh, "/etc/.pwd.lock", "", 0o600)
    if os.path.exists(_AUTHORITIES):
        _file(fresh, _AUTHORITIES, _read(_AUTHORITIES))
    if os.path.isdir("/etc/ssl/certs"):
        # How OpenSSL finds the lab's authority, by the hash of its name.
        _folder(fresh, "/etc/ssl/certs")
        os.symlink("/run/playground/ca.pem", f"{fresh}/etc/ssl/certs/5c80f752.0")
    if os.path.isdir("/etc/ssh/ssh_config.d"):
        _file(fresh, "/etc/ssh/ssh_config.d/playground.conf", SSH_CLIENT)


# As images/base has it.
SSH_CLIENT = """\
Host *
    GlobalKnownHostsFile /run/playground/ssh_known_hosts
    IdentityFile ~/.ssh/id_ed25519
    IdentityFile ~/.ssh/id_rsa
    IdentityFile /run/playground/keys/%u
    StrictHostKeyChecking accept-new
    HashKnownHosts no
"""


def only_system(text: str, column: int) -> str:
    """Return passwd(5) or group(5) without the accounts of people."""
    kept = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > column and fields[column].isdigit() and int(fields[column]) in _PEOPLE:
            continue
        kept.append(line)
    return "".join(line + "\n" for line in kept)


def with_sudo(groups: str) -> str:
    """Return group(5) with a group sudo and nobody of the machine's in it."""
    lines = [
        re.sub(r"^(sudo:[^:]*:[^:]*:).*", r"\1", line)
        for line in groups.splitlines()
    ]  # fmt: skip
    if not any(line.startswith("sudo:") for line in lines):
        lines.append(f"sudo:x:{_SUDO_GID}:")
    return "".join(line + "\n" for line in lines)


def locked(passwd: str) -> str:
    """Return a shadow(5) in which no account of passwd(5) has a password."""
    names = [line.split(":")[0] for line in only_system(passwd, 2).splitlines()]
    return "".join(f"{name}:!:1:0:99999:7:::\n" for name in names)


def files_and_dns(text: str) -> str:
    """Return nsswitch.conf(5) that asks files and DNS, and none of the machine's daemons."""
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r"\s*(hosts|passwd|group|shadow)\s*:", line)
    ]
    kept += ["passwd: files", "group: files", "shadow: files", "hosts: files dns"]
    return "".join(line + "\n" for line in kept)


def _host_keys() -> list[str]:
    try:
        names = os.listdir("/etc/ssh")
    except OSError:
        return []
    return [f"/etc/ssh/{name}" for name in names if name.startswith("ssh_host_")]


def _white_out(layer: str, path: str) -> None:
    _folder(layer, os.path.dirname(path))
    os.mknod(layer + path, stat.S_IFCHR, os.makedev(0, 0))


def _folder(layer: str, path: str) -> None:
    """Make a folder and those above it, with the modes they have on the machine."""
    parts = path.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        there = "/" + "/".join(parts[:count])
        with contextlib.suppress(FileExistsError):
            os.mkdir(layer + there)
            found = os.stat(there)
            os.chmod(layer + there, stat.S_IMODE(found.st_mode))


def _file(layer: str, path: str, content: str, mode: int = 0o644) -> None:
    _folder(layer, os.path.dirname(path))
    fd = os.open(layer + path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.write(fd, content.encode("utf-8", "surrogateescape"))
    finally:
        os.close(fd)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
