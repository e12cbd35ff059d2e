"""Layers over the machine's own root that show hosts the system and hide the rest.

Hosts of a lab without services have the machine's root file system below their
own changes.  Between the two lie two layers, made once a lab, in memory:
``hidden`` takes things away (whiteouts, see the kernel's
Documentation/filesystems/overlayfs.rst), ``fresh`` puts others in their place.
A whiteout in a lower layer ends the search, so that a fresh folder over it is
empty, on every kernel and without any extended attribute.

Shown is what belongs to a system, and nothing else:

* of /, the folders with programs and settings (`_SYSTEM`).  What people made, in
  /home or /data, is not there: neither a project's own programs nor a virtual
  environment in its folder.  They come by ``h1.put(...)``, or in an image.
* of /etc and /usr/local/etc, what every account of the machine may read, and of
  /opt likewise; but nothing that names this machine or its people.  What is closed
  elsewhere, or comes to be there later, is closed to hosts by `stranger_layer`.
* of /var, what programs look up there (`_LOOKED_UP`); beside it the folders in
  which they write, empty.

The lab's accounts are in it from the start, for a host that had to be given them would copy the
files for itself: 0.8 of the 1.3 ms of processor time in which it got its accounts and files.

A neighbour of `keeper`: standard library, `agent` and this folder.

"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from playground.agent.nodes.accounts import changed_tables
from playground.agent.protocol import Request
from playground.engines.namespaces.filesystems.mounts import in_user_namespace

# In the lab's own /run.
PLACE = "/run/playground/machine"
LAYERS = (f"{PLACE}/fresh", f"{PLACE}/hidden")

# The folders of / that belong to a system, or links to them.  /nix and /gnu are the
# stores of NixOS and Guix.
_SYSTEM = re.compile(r"bin|sbin|lib(\d+|x32|o32|exec)?|usr|etc|var|opt|nix|gnu")

# Folders of a host's own, which are mounted, or made, by the maker.
_OWN = ("/dev", "/proc", "/sys", "/run", "/tmp")

# Folders that are made anew with this mode: hier(7).
_ANEW = {
    "/root": 0o700,
    "/home": 0o755,
    "/mnt": 0o755,
    "/media": 0o755,
    "/srv": 0o755,
}
_ANEW_IN_VAR = {
    "/var/lib/misc": 0o755,
    "/var/local": 0o2775,
    "/var/log": 0o755,
    "/var/mail": 0o2775,
    "/var/opt": 0o755,
    "/var/spool": 0o755,
    "/var/spool/cron": 0o755,
    "/var/tmp": 0o1777,
}

# Programs look these up in /var: which packages and alternatives there are, pages of
# the manual, fonts, authorities (openSUSE), formats of TeX, words, keyboards, MIBs.
_LOOKED_UP = {
    "/var/lib": (
        *("dpkg", "rpm", "pacman", "alternatives", "ca-certificates", "texmf", "ghostscript"),
        *("aspell", "ispell", "dictionaries-common", "xkb", "mibs"),
    ),
    "/var/cache": ("man", "fontconfig"),
}

# Everybody may read these, and yet they are about this machine, its people, its
# connections and its containers.
_THE_MACHINES = (
    *("machine-id", "passwd-", "group-", "subuid", "subuid-", "subgid", "subgid-"),
    *("netplan", "NetworkManager", "wpa_supplicant", "wireguard", "openvpn", "ppp"),
    *("ipsec.d", "ipsec.secrets", "swanctl", "letsencrypt", "kubernetes", "rancher"),
    *("docker", "containerd", "containers", "cni", "libvirt", "krb5.keytab"),
)

# Closed and empty, and needed: how dpkg(1) keeps others out.
_LOCKS = ("/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/triggers/Lock")

# Programs of root's that some distributions let everybody run and nobody read.
_ONLY_RUN = ("/usr/bin/sudo", "/usr/bin/su")

# Files of /etc that are another for each host: empty here, and written by the lab.
OF_EACH_HOST = ("hostname", "hosts", "resolv.conf")

# Where curl, wget and others look for authorities; a lab adds its own.
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"

# Numbers of people's accounts, as login.defs(5) of every distribution has them.
_PEOPLE = range(1000, 60000)

# Debian's, where a machine has none: who may use sudo.
_SUDO_GID = 27

# The kernel's own file systems: nothing in them is a program or a setting.
_PSEUDO = re.compile(
    r"autofs|binder|binfmt_misc|bpf|cgroup2?|configfs|cpuset|debugfs|devpts|devtmpfs|efivarfs|"
    r"fusectl|hugetlbfs|mqueue|nfsd|nsfs|proc|pstore|resctrl|rpc_pipefs|securityfs|selinuxfs|"
    r"smackfs|sysfs|tracefs"
)

# As images/base has it, after what Debian's own file says.
SUDOERS = """\
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# No look-up of the host's own name, which need not have an address.
Defaults !fqdn
Defaults lecture=never
root ALL=(ALL:ALL) ALL
%sudo ALL=(ALL:ALL) ALL
#includedir /etc/sudoers.d
"""

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

# In a user namespace, of a folder that others are mounted in: larger files are left out.
_COPIED_BYTES = 16 << 20


# -- How it is put together ---------------------------------------------------


class View(NamedTuple):
    """How a host's root is put together from the machine's.

    ``overlays`` are {place: folders to lay over one another there, uppermost
    first}, outermost places first; where / is not among them the root is an empty
    folder, with ``links`` {place: where it leads} and the places in it.

    """

    overlays: dict[str, list[str]]
    links: dict[str, str]


@functools.cache
def whole_view(root: str = "", layers: tuple[str, str] = LAYERS) -> View:
    """Return the machine's root in one piece, as root may have it.

    A machine may have /usr or /var on a file system of its own, which an overlay
    of the root does not show: these are laid over it.

    """
    made = _Layers(root, *layers)
    overlays = {"/": [*layers, root or "/"]}
    for point in system_mounts(_mountinfo(), root):
        if os.path.isdir(root + point) and not made.hides(point):
            overlays[point] = made.over(point)
    return View(overlays, {})


@functools.cache
def view_in_pieces(root: str = "", layers: tuple[str, str] = LAYERS) -> View:
    """Return the machine's root in pieces, as a user namespace may have it.

    There the kernel lays no folder below an overlay that another file system is
    mounted in, for what that hides could be seen (clone_private_mount in the
    kernel's fs/namespace.c).  So such folders are taken apart: their folders one
    by one, their files as `make` copied them.

    """
    made = _Layers(root, *layers)
    mountinfo = _mountinfo()
    points = {place for place, _ in _mounts(mountinfo, root)}
    strange = points - set(system_mounts(mountinfo, root))
    overlays: dict[str, list[str]] = {}
    links: dict[str, str] = {}

    def take_apart(folder: str) -> None:
        names = {*_names(root + folder), *_names(made.fresh + folder)}
        for path in sorted(os.path.join(folder, name) for name in names):
            if path in _OWN:
                continue
            if made.hides(path) or not os.path.lexists(root + path):
                # Deeper, what stands in its place lies in the layers of the folder above.
                if folder == "/" and os.path.isdir(made.fresh + path):
                    overlays[path] = [made.fresh + path]
            elif os.path.islink(root + path):
                if not os.path.lexists(made.fresh + path):
                    links[path] = os.readlink(root + path)
            elif not os.path.isdir(root + path) or path in strange:
                continue
            elif not _has_mounts(path, points):
                overlays[path] = made.over(path)
            else:
                overlays[path] = made.over(path)[:-1]
                take_apart(path)

    take_apart("/")
    return View(overlays, links)


def system_mounts(mountinfo: str, root: str = "") -> list[str]:
    """Return the mount points, besides /, of file systems that belong to the system.

    In the order in which they lie over one another: see proc(5).

    """
    kinds = dict(_mounts(mountinfo, root))  # of several at one point, the last is seen
    return sorted(
        point
        for point, kind in kinds.items()
        if _SYSTEM.fullmatch(point.split("/")[1]) and not _PSEUDO.fullmatch(kind)
    )


def _mounts(mountinfo: str, root: str) -> Iterator[tuple[str, str]]:
    """Yield (mount point, kind of file system) below the root, escapes undone: proc(5)."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), left.split(" ")[4])
        if point.startswith(f"{root}/") and point != "/":
            yield point.removeprefix(root), right.split(" ")[0]


def _has_mounts(folder: str, points: set[str]) -> bool:
    return any(point.startswith(f"{folder}/") for point in points)


def _mountinfo() -> str:
    # Bytes beyond ASCII stand there as they are.
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


# -- What the layers hold -----------------------------------------------------


def make(
    root: str = "",
    layers: tuple[str, str] = LAYERS,
    in_pieces: bool | None = None,
    users: Sequence[Request] = (),
) -> None:
    """Make both layers; to be called once, in the lab's own mount namespace.

    ``in_pieces`` is whether `view_in_pieces` will be asked for; None: if this is in
    a user namespace.  ``users`` are the lab's accounts, as the agent takes them.

    """
    made = _Layers(root, *layers)
    for layer in layers:
        os.makedirs(layer)
        os.chmod(layer, 0o755)
    _show_system_only(made)
    _show_of_var(made)
    _hide_what_others_may_not_read(made, "/etc")
    _hide_what_others_may_not_read(made, "/usr/local/etc")
    # Programs, some with thousands of files; their settings lie on top.
    _hide_what_others_may_not_read(made, "/opt", depth=2)
    for name in _THE_MACHINES:
        made.white_out(f"/etc/{name}")
    for name in _names(f"{root}/etc/ssh"):
        if name.startswith("ssh_host_"):
            made.white_out(f"/etc/ssh/{name}")
    _put_in_place(made, users)
    if in_user_namespace() if in_pieces is None else in_pieces:
        _copy_files_beside_mounts(made)


def _show_system_only(made: _Layers) -> None:
    for name in _names(f"{made.root}/"):
        path = f"/{name}"
        if path in _OWN or path in _ANEW:
            continue
        if not _SYSTEM.fullmatch(name):
            made.white_out(path)
        elif os.path.islink(made.root + path) and not _is_systems(made, path):
            # It would lead to nothing there.
            made.white_out(path)
            made.folder(path, 0o755)
    for path, mode in _ANEW.items():
        made.white_out(path)
        made.folder(path, mode)
        target = _where_it_leads(made, path)
        # As /home -> /usr/home; a folder of the system itself stays.
        if target != path and target.count("/") > 1 and _is_systems(made, path):
            made.white_out(target)


def _where_it_leads(made: _Layers, path: str) -> str:
    """Return where a path leads on the machine, whose root may be a folder of ours."""
    followed = os.path.realpath(made.root + path)
    real_root = os.path.realpath(made.root or "/").rstrip("/")
    if followed.startswith(f"{real_root}/"):
        return followed[len(real_root) :]
    return followed


def _is_systems(made: _Layers, path: str) -> bool:
    return bool(_SYSTEM.fullmatch(_where_it_leads(made, path).split("/")[1]))


def _show_of_var(made: _Layers) -> None:
    if not os.path.isdir(made.root + "/var") or os.path.islink(made.root + "/var"):
        return
    # Fedora's systems without changes have /usr/local and /opt here.
    programs = {_where_it_leads(made, path) for path in ("/usr/local", "/opt")}
    for name in _names(f"{made.root}/var"):
        path = f"/var/{name}"
        to_run = os.path.islink(made.root + path) and name in ("run", "lock")
        if not to_run and path not in programs and not made.is_folder(path, _LOOKED_UP):
            made.white_out(path)
    for parent in ("/var/lib", "/var/cache", "/var/log", "/var/spool"):
        shown = _LOOKED_UP.get(parent, ())
        for name in _names(made.root + parent):
            path = f"{parent}/{name}"
            if name in shown:
                continue
            if parent in _LOOKED_UP:
                made.white_out(path)
            if path == "/var/spool/mail":
                continue
            if os.path.isdir(made.root + path) and not os.path.islink(made.root + path):
                # Daemons write here, and do not make their folder: nginx, dnsmasq.
                made.folder(path)
    for path, mode in _ANEW_IN_VAR.items():
        made.folder(path, mode)
    os.symlink("../mail", made.fresh + "/var/spool/mail")


def _hide_what_others_may_not_read(made: _Layers, folder: str, depth: int = 64) -> None:
    """White out each file, and each folder, that not every account may read."""
    try:
        entries = list(os.scandir(made.root + folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        path = f"{folder}/{entry.name}"
        is_folder = entry.is_dir()
        wanted = 0o005 if is_folder else 0o004
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:  # it went away meanwhile
            continue
        if mode & wanted != wanted:
            made.white_out(path)
        elif is_folder and depth > 1:
            _hide_what_others_may_not_read(made, path, depth - 1)


def _put_in_place(made: _Layers, users: Sequence[Request]) -> None:
    """Make what a host needs of what is hidden, and what a lab changes."""
    passwd = made.read("/etc/passwd")
    group = with_sudo(only_system(made.read("/etc/group"), 2))
    tables = {
        "/etc/group": group,
        "/etc/passwd": only_system(passwd, 2),
        "/etc/shadow": locked(passwd),
    }
    tables |= _with_users(made, tables, users)
    for name in (".bashrc", ".profile"):
        made.file(f"/root/{name}", made.read(f"/etc/skel/{name}"))
    for path, text in tables.items():
        made.file(path, text, 0o640 if path == "/etc/shadow" else 0o644)
    made.file("/etc/gshadow", locked_groups(group), 0o640)
    for name in ("shadow", "gshadow"):
        # Debian's group shadow may read them.
        made.owner_of(f"/etc/{name}")
    made.file("/etc/nsswitch.conf", files_and_dns(made.read("/etc/nsswitch.conf")))
    for name in OF_EACH_HOST:
        # A link, to a file in /run for instance, would lead nowhere there.
        made.file(f"/etc/{name}", "")
    for path in _LOCKS:
        if os.path.lexists(made.root + path) and not made.hides(path):
            made.file(path, "", 0o640)
    for path in _ONLY_RUN:
        with contextlib.suppress(OSError):
            if os.lstat(made.root + path).st_mode & 0o005 == 0o001:
                made.copy(path)
    # A lab changes these: without root it could not change the machine's.
    made.file("/etc/.pwd.lock", "", 0o600)
    if os.path.lexists(made.root + "/etc/sudoers"):
        made.file("/etc/sudoers", SUDOERS, 0o440)
        made.white_out("/etc/sudoers.d")
        made.folder("/etc/sudoers.d", 0o750)
    if os.path.isdir(made.root + "/etc/ssl"):
        made.white_out("/etc/ssl/private")
        made.folder("/etc/ssl/private", 0o700)
    if os.path.exists(made.root + _AUTHORITIES):
        made.file(_AUTHORITIES, made.read(_AUTHORITIES))
    if os.path.isdir(made.root + "/etc/ssl/certs"):
        # How OpenSSL finds the lab's authority, by the hash of its name.
        made.folder("/etc/ssl/certs")
        os.symlink("/run/playground/ca.pem", f"{made.fresh}/etc/ssl/certs/5c80f752.0")
    if os.path.isdir(made.root + "/etc/ssh/ssh_config.d"):
        made.file("/etc/ssh/ssh_config.d/playground.conf", SSH_CLIENT)


def _with_users(
    made: _Layers, tables: Mapping[str, str], users: Sequence[Request]
) -> dict[str, str]:
    """Return the tables with the lab's users, and make their homes; {} if that cannot be.

    Then a host is given them once it is there, and it is told what was wrong.

    """
    try:
        changed = changed_tables(tables, users, str(int(time.time()) // 86400))
    except (ValueError, LookupError):
        return {}
    skeleton = f"{made.root}/etc/skel"
    for user in users:
        if user["name"] == "root":
            continue
        home = f"/home/{user['name']}"
        for folder, _, names in [*os.walk(skeleton)] or [(skeleton, [], [])]:
            target = home + folder.removeprefix(skeleton)
            made.folder(target, 0o755)
            os.chown(made.fresh + target, user["uid"], user["uid"])
            for name in names:
                found = os.lstat(f"{folder}/{name}")
                if stat.S_ISREG(found.st_mode) and found.st_mode & stat.S_IROTH:
                    content = made.read(f"/etc/skel{folder.removeprefix(skeleton)}/{name}")
                    made.file(f"{target}/{name}", content, found.st_mode & 0o777)
                    os.chown(f"{made.fresh}{target}/{name}", user["uid"], user["uid"])
    return changed


def _copy_files_beside_mounts(made: _Layers) -> None:
    """Copy the files of folders that something is mounted in: see `view_in_pieces`."""
    points = {place for place, _ in _mounts(_mountinfo(), made.root)}
    folders = {os.path.dirname(point) for point in points}
    folders |= {
        folder[:end] for folder in folders for end in range(2, len(folder)) if folder[end] == "/"
    }
    for folder in sorted(folders):
        if not _SYSTEM.fullmatch(folder.split("/")[1]) or made.hides(folder):
            continue
        for name in _names(made.root + folder):
            path = f"{folder}/{name}"
            if not made.hides(path) and not os.path.lexists(made.fresh + path):
                made.copy(path)


class _Layers(NamedTuple):
    """The two layers over a machine's root (here "", or a folder that is to stand for it)."""

    root: str
    fresh: str
    hidden: str

    def hides(self, path: str) -> bool:
        """Say whether a path of the machine, or a folder that it is in, is whited out."""
        parts = path.strip("/").split("/")
        for count in range(1, len(parts) + 1):
            try:
                found = os.lstat(f"{self.hidden}/{'/'.join(parts[:count])}")
            except OSError:
                return False
            if not stat.S_ISDIR(found.st_mode):
                return True
        return False

    def over(self, path: str) -> list[str]:
        """Return what lies over one another in a folder: both layers, then the machine's."""
        own = [layer + path for layer in (self.fresh, self.hidden) if os.path.isdir(layer + path)]
        return [*own, self.root + path]

    def is_folder(self, path: str, among: dict[str, tuple[str, ...]]) -> bool:
        return path in among and not os.path.islink(self.root + path)

    def white_out(self, path: str) -> None:
        """Hide a path, if it is there."""
        if not os.path.lexists(self.root + path) or self.hides(path):
            return
        self._folders(self.hidden, os.path.dirname(path))
        if os.path.isdir(self.hidden + path):
            _remove(self.hidden + path)  # hidden in part so far
        os.mknod(self.hidden + path, stat.S_IFCHR, os.makedev(0, 0))

    def folder(self, path: str, mode: int | None = None) -> None:
        """Make a fresh folder, with its owner and mode on the machine or with this mode."""
        self._folders(self.fresh, path)
        if mode is not None:
            os.chmod(self.fresh + path, mode)

    def file(self, path: str, content: str, mode: int = 0o644) -> None:
        self._folders(self.fresh, os.path.dirname(path))
        with open(self.fresh + path, "xb") as file:
            file.write(content.encode("utf-8", "surrogateescape"))
            os.fchmod(file.fileno(), mode)

    def owner_of(self, path: str) -> None:
        """Give a fresh file the owner that it has on the machine."""
        with contextlib.suppress(OSError):  # none, or one that a user namespace knows not
            found = os.stat(self.root + path)
            mode = os.stat(self.fresh + path).st_mode
            os.chown(self.fresh + path, found.st_uid, found.st_gid)
            os.chmod(self.fresh + path, stat.S_IMODE(mode))

    def copy(self, path: str) -> None:
        """Put a file as it is among what is fresh, if it is one and not too large."""
        with contextlib.suppress(OSError):
            found = os.lstat(self.root + path)
            if not stat.S_ISREG(found.st_mode) or found.st_size > _COPIED_BYTES:
                return
            with open(self.root + path, "rb") as file:
                content = file.read()
            self.file(path, content.decode("utf-8", "surrogateescape"), stat.S_IMODE(found.st_mode))
            self.owner_of(path)

    def read(self, path: str) -> str:
        try:
            with open(self.root + path, encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _folders(self, layer: str, path: str) -> None:
        """Make a folder and those above it, with the owners and modes they have on the machine."""
        if path == "/":
            return
        try:
            os.mkdir(layer + path)
        except FileExistsError:
            return
        except FileNotFoundError:
            self._folders(layer, os.path.dirname(path))
            os.mkdir(layer + path)
        mode = 0o755
        with contextlib.suppress(OSError):
            found = os.lstat(self.root + path)
            if stat.S_ISDIR(found.st_mode):
                mode = stat.S_IMODE(found.st_mode)
                os.chown(layer + path, found.st_uid, found.st_gid)
        os.chmod(layer + path, mode)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _remove(folder: str) -> None:
    for path, folders, files in os.walk(folder, topdown=False):
        for name in files:
            os.unlink(f"{path}/{name}")
        for name in folders:
            os.rmdir(f"{path}/{name}")
    os.rmdir(folder)


# -- Accounts -----------------------------------------------------------------


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


def locked_groups(groups: str) -> str:
    """Return a gshadow(5) in which no group of group(5) has a password or members."""
    names = [line.split(":")[0] for line in groups.splitlines() if line.count(":") > 2]
    return "".join(f"{name}:!::\n" for name in names)


def files_and_dns(text: str) -> str:
    """Return nsswitch.conf(5) that asks files and DNS, and none of the machine's daemons."""
    kept = [
        line
        for line in text.splitlines()
        if not re.match(r"\s*(hosts|passwd|group|shadow)\s*:", line)
    ]
    kept += ["passwd: files", "group: files", "shadow: files", "hosts: files dns"]
    return "".join(line + "\n" for line in kept)
