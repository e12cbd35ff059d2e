"""Hosts see the machine's own programs, and nothing of its people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from playground.engines.namespaces.filesystems.machine_layer import (
    files_and_dns,
    locked,
    locked_groups,
    only_system,
    system_mounts,
    with_sudo,
)

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
ada:x:1000:1000:Ada,,,:/home/ada:/bin/bash
sshd:x:998:65534::/run/sshd:/usr/sbin/nologin
last:x:59999:59999::/home/last:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""


def test_accounts_of_people_are_left_out() -> None:
    names = [line.split(":")[0] for line in only_system(PASSWD, 2).splitlines()]
    assert names == ["root", "daemon", "sshd", "nobody"]


def test_what_is_no_account_stays_as_it_is() -> None:
    odd = "+::::::\n# by hand\n\nroot:x:0:0::/root:/bin/sh\n"
    assert only_system(odd, 2) == odd
    assert only_system("", 2) == ""


def test_no_account_has_a_password() -> None:
    rows = [line.split(":") for line in locked(PASSWD).splitlines()]
    assert [(row[0], row[1], len(row)) for row in rows] == [
        (name, "!", 9) for name in ("root", "daemon", "sshd", "nobody")
    ]


@pytest.mark.parametrize(
    ("groups", "wanted"),
    [
        ("root:x:0:\nsudo:x:27:ada,bob\n", "root:x:0:\nsudo:x:27:\n"),
        ("root:x:0:\nsudo:x:27:\n", "root:x:0:\nsudo:x:27:\n"),
        ("root:x:0:\nwheel:x:10:ada\n", "root:x:0:\nwheel:x:10:ada\nsudo:x:27:\n"),
        ("", "sudo:x:27:\n"),
    ],
    ids=["members", "no members", "no group", "no groups"],
)
def test_there_is_a_group_sudo_and_nobody_of_the_machine_is_in_it(groups: str, wanted: str) -> None:
    assert with_sudo(groups) == wanted


def test_names_are_looked_up_in_files_and_dns_only() -> None:
    text = "passwd: files systemd sss\nhosts: files mymachines resolve\nnetworks: files\n# end\n"
    assert files_and_dns(text).splitlines() == [
        "networks: files",
        "# end",
        "passwd: files",
        "group: files",
        "shadow: files",
        "hosts: files dns",
    ]


def mountinfo(*mounts: tuple[str, str]) -> str:
    """Return a mountinfo(5) with these mount points and kinds of file system."""
    return "".join(
        f"{number} 1 8:{number} / {point} rw,relatime shared:1 - {kind} /dev/sda{number} rw\n"
        for number, (point, kind) in enumerate(mounts, 20)
    )


def test_file_systems_with_programs_and_settings_are_the_systems() -> None:
    text = mountinfo(
        ("/", "ext4"),
        ("/var", "xfs"),
        ("/usr", "nfs4"),
        ("/usr/local", "ext4"),
        ("/usr/share", "9p"),
        ("/usr/lib/wsl/drivers", "virtiofs"),
        ("/var/cache", "tmpfs"),
        (r"/opt/two\040words", "fuse.sshfs"),
        ("/nix/store", "zfs"),
        ("/var", "xfs"),
    )
    assert system_mounts(text) == [
        "/nix/store",
        "/opt/two words",
        "/usr",
        "/usr/lib/wsl/drivers",
        "/usr/local",
        "/usr/share",
        "/var",
        "/var/cache",
    ]


@pytest.mark.parametrize(
    "mount",
    [
        ("/home", "ext4"),
        ("/proc", "proc"),
        ("/mnt/data", "xfs"),
        ("/usrdata", "ext4"),
        ("/usr/share/later", "autofs"),
        ("/var/lib/nfs/rpc_pipefs", "rpc_pipefs"),
    ],
    ids=lambda mount: " ".join(mount),
)
def test_people_s_data_and_what_is_the_kernels_are_not(mount: tuple[str, str]) -> None:
    assert system_mounts(mountinfo(("/", "ext4"), mount)) == []


def test_of_several_mounts_at_one_place_the_last_counts() -> None:
    text = mountinfo(("/usr/share", "autofs"), ("/usr/share", "nfs4"))
    assert system_mounts(text) == ["/usr/share"]


# -- a machine in a folder, and what a host sees of it --------------------------------

# {path: (mode, content)}, folders with a slash at their end, links with their target.
# Every file's content says whether a host is to see it.
MACHINE: dict[str, tuple[int, str]] = {
    "/bin": (0, "-> usr/bin"),
    "/usr/bin/env": (0o755, "shown"),
    "/usr/lib/libc.so": (0o644, "shown"),
    "/usr/lib/wsl/drivers/": (0o755, ""),
    "/usr/share/two words/": (0o755, ""),
    "/usr/local/etc/settings": (0o644, "shown"),
    "/usr/local/etc/token": (0o600, "hidden"),
    "/usr/local/lib/module.py": (0o644, "shown"),
    "/opt/tool/bin/tool": (0o755, "shown"),
    "/opt/near/": (0o755, ""),
    "/opt/tool/license": (0o640, "hidden"),
    "/opt/containerd/": (0o711, ""),
    "/opt/containerd/state": (0o644, "hidden"),
    # Of the top, what somebody made, by whatever name.
    "/data/disk/": (0o755, ""),
    "/data/backup": (0o644, "hidden"),
    "/data/home/ada/thesis": (0o644, "hidden"),
    "/library/file": (0o644, "hidden"),
    "/notes.txt": (0o644, "hidden"),
    "/swapfile": (0o600, "hidden"),
    "/boot/initrd": (0o644, "hidden"),
    "/root/.ssh/id_ed25519": (0o600, "hidden"),
    "/srv/site/index.html": (0o644, "hidden"),
    "/mnt/disk/file": (0o644, "hidden"),
    # Of the settings, what not every account may read.
    "/etc/services": (0o644, "shown"),
    "/etc/link": (0, "-> services"),
    "/etc/docker/key.json": (0o600, "hidden"),
    "/etc/security/limits.conf": (0o644, "shown"),
    "/etc/security/opasswd": (0o600, "hidden"),
    "/etc/pki/tls/private/key.pem": (0o600, "hidden"),
    "/etc/pki/tls/cert.pem": (0o644, "shown"),
    "/etc/radius/": (0o750, ""),
    "/etc/radius/far/": (0o755, ""),
    "/etc/radius/clients": (0o644, "hidden"),
    "/etc/netplan/wifi.yaml": (0o644, "hidden"),
    "/etc/ssl/private/": (0o710, ""),
    "/etc/ssl/private/key.pem": (0o644, "hidden"),
    "/etc/ssh/ssh_host_rsa_key": (0o600, "hidden"),
    "/etc/ssh/ssh_config": (0o644, "shown"),
    "/etc/sudoers": (0o440, "hidden"),
    "/etc/sudoers.d/": (0o755, ""),
    "/etc/sudoers.d/ada": (0o644, "hidden"),
    "/etc/machine-id": (0o444, "hidden"),
    "/etc/passwd": (0o644, PASSWD),
    "/etc/group": (0o644, "root:x:0:\nada:x:1000:\n"),
    "/etc/shadow": (0o640, "root:hidden:1::::::\n"),
    "/etc/shadow-": (0o600, "root:hidden:1::::::\n"),
    "/etc/gshadow": (0o640, "root:hidden::ada\n"),
    # Of /var, what programs look up.
    "/var/lib/dpkg/status": (0o644, "shown"),
    "/var/cache/man/index.db": (0o644, "shown"),
    "/var/cache/fontconfig/": (0o755, ""),
    "/var/backups/shadow.bak": (0o644, "hidden"),
    "/var/cache/debconf/passwords.dat": (0o644, "hidden"),
    "/var/lib/postgresql/": (0o750, ""),
    "/var/lib/postgresql/disk/": (0o755, ""),
    "/var/lib/postgresql/data": (0o644, "hidden"),
    "/var/lib/state": (0o644, "hidden"),
    "/var/log/nginx/access.log": (0o644, "hidden"),
    "/var/run": (0, "-> /run"),
    "/var/spool/mail": (0, "-> ../mail"),
    "/var/spool/cron/crontabs/ada": (0o644, "hidden"),
    "/var/tmp/file": (0o644, "hidden"),
    "/var/www/index.html": (0o644, "hidden"),
}

HOMES: dict[str, dict[str, tuple[int, str]]] = {
    "a folder": {"/home/ada/thesis": (0o644, "hidden")},
    "a link out of sight": {"/home": (0, "-> data/home")},
    "a link to what is shown": {
        "/home": (0, "-> /usr/home"),
        "/usr/home/ada/thesis": (0o644, "hidden"),
    },
    "not there": {},
}

# File systems that may be mounted there, {place: what the file in it says}.
MOUNTS = {
    "/usr/lib/wsl/drivers": "shown",
    "/usr/share/two words": "shown",
    "/var/cache/fontconfig": "shown",
    "/opt/near": "shown",
    "/data/disk": "hidden",
    "/etc/radius/far": "hidden",
    "/var/lib/postgresql/disk": "hidden",
}

# In a mount namespace of its own: mounts, makes the layers and a root as the maker
# does, and prints all that is in it.  A user namespace has no more than one id here.
LOOK = """
import ctypes, json, os, stat, sys
from playground.engines.namespaces.filesystems import machine_layer
from playground.engines.namespaces.filesystems import mounts as mounting

place, in_pieces, mounts = json.loads(sys.argv[1])
root, host, layers = f"{place}/root", f"{place}/host", (f"{place}/fresh", f"{place}/hidden")
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000

def leave(flags):
    ids = {"setgroups": "deny", "uid_map": f"0 {os.geteuid()} 1", "gid_map": f"0 {os.getegid()} 1"}
    assert libc.unshare(flags) == 0, os.strerror(ctypes.get_errno())
    for name, text in ids.items() if flags & CLONE_NEWUSER else ():
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)

os.umask(0o077)
leave(CLONE_NEWNS if os.geteuid() == 0 else CLONE_NEWNS | CLONE_NEWUSER)
mounting.mount("", "/", "", mounting.MS_REC | mounting.MS_PRIVATE)
for point, text in mounts.items():
    mounting.mount("tmpfs", root + point, "tmpfs", 0, "mode=755")
    with open(f"{root}{point}/mounted", "w") as file:
        file.write(text)
    os.chmod(file.name, 0o644)
if in_pieces:
    leave(CLONE_NEWNS | CLONE_NEWUSER)
machine_layer.make(root, layers, in_pieces)
view = (machine_layer.view_in_pieces if in_pieces else machine_layer.whole_view)(root, layers)

mounting.mount("tmpfs", host, "tmpfs", 0, "mode=755")
os.umask(0)
os.mkdir(f"{host}/root")
for number, (folder, lower) in enumerate(view.overlays.items()):
    target = f"{host}/root{folder}".rstrip("/")
    os.makedirs(target, 0o755, exist_ok=True)
    if lower:
        upper, work = f"{host}/upper{number}", f"{host}/work{number}"
        os.mkdir(upper, stat.S_IMODE(os.stat(lower[0]).st_mode))
        os.mkdir(work)
        options = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work}"
        mounting.mount("overlay", target, "overlay", 0, options + ",userxattr" * in_pieces)
for link, target in view.links.items():
    os.symlink(target, f"{host}/root{link}")

seen = {}
for folder, folders, files in os.walk(f"{host}/root"):
    for name in (*folders, *files):
        path = f"{folder}/{name}"
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            content = f"-> {os.readlink(path)}"
        elif stat.S_ISREG(found.st_mode):
            content = open(path).read()
        else:
            content = "a folder" if stat.S_ISDIR(found.st_mode) else "strange"
        seen[path.removeprefix(f"{host}/root")] = (stat.S_IMODE(found.st_mode), content)
print(json.dumps(seen))
"""

Seen = dict[str, tuple[int, str]]


def build(root: Path, files: dict[str, tuple[int, str]]) -> None:
    for path, (mode, content) in files.items():
        target = Path(f"{root}{path}")
        (target if path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            continue
        if content.startswith("-> "):
            target.symlink_to(content[3:])
        else:
            target.write_text(content)
            target.chmod(mode)
    for path, (mode, _) in files.items():
        if path.endswith("/"):
            Path(f"{root}{path}").chmod(mode)


def look(place: Path, in_pieces: bool, mounts: dict[str, str]) -> Seen:
    """Return what a host sees of the machine in place/root."""
    (place / "host").mkdir()
    arguments = json.dumps([str(place), in_pieces, mounts])
    done = subprocess.run(
        [sys.executable, "-c", LOOK, arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {path: (mode, content) for path, (mode, content) in json.loads(done.stdout).items()}


@pytest.fixture(scope="module", params=HOMES)
def machine(request: pytest.FixtureRequest) -> dict[str, tuple[int, str]]:
    return MACHINE | HOMES[request.param]


@pytest.fixture(scope="module", params=[{}, MOUNTS], ids=["no mounts", "mounts"])
def mounts(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "in pieces"])
def seen(
    request: pytest.FixtureRequest,
    machine: dict[str, tuple[int, str]],
    mounts: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    """The files that a host sees, of each machine, in each way to put its root together."""
    place = tmp_path_factory.mktemp("machine")
    build(place / "root", machine)
    return look(place, request.param, mounts)


def test_a_host_sees_all_of_the_system_and_nothing_else(
    seen: Seen, machine: dict[str, tuple[int, str]], mounts: dict[str, str]
) -> None:
    wanted = {path for path, (_, content) in machine.items() if content == "shown"}
    wanted |= {f"{point}/mounted" for point, text in mounts.items() if text == "shown"}
    assert {path for path, (_, content) in seen.items() if content == "shown"} == wanted
    assert [path for path, (_, content) in seen.items() if "hidden" in content] == []
    assert [path for path, (_, content) in seen.items() if content == "strange"] == []


def test_with_root_and_without_a_host_sees_the_same(tmp_path: Path) -> None:
    found = []
    for in_pieces in (False, True):
        place = tmp_path / str(in_pieces)
        build(place / "root", MACHINE | HOMES["a folder"])
        found.append(look(place, in_pieces, MOUNTS))
    assert found[0] == found[1]


def test_of_the_top_only_the_systems_folders_are_there(seen: Seen) -> None:
    top = {path for path in seen if path.count("/") == 1}
    assert top == {
        "/bin",
        "/etc",
        "/home",
        "/media",
        "/mnt",
        "/opt",
        "/root",
        "/srv",
        "/usr",
        "/var",
    }


# Folders of a host's own.
OWN = {
    "/home": 0o755,
    "/srv": 0o755,
    "/mnt": 0o755,
    "/media": 0o755,
    "/var/tmp": 0o1777,
    "/var/mail": 0o2775,
    "/var/opt": 0o755,
    "/var/lib/misc": 0o755,
    "/var/lib/postgresql": 0o750,
    "/var/log/nginx": 0o755,
    "/etc/ssl/private": 0o700,
    "/etc/sudoers.d": 0o750,
}


def test_folders_of_a_hosts_own_are_there_and_empty(seen: Seen) -> None:
    assert {path: seen.get(path) for path in OWN} == {
        path: (mode, "a folder") for path, mode in OWN.items()
    }
    assert [path for path in seen if path.startswith(tuple(f"{own}/" for own in OWN))] == []


def test_links_lead_where_they_led(seen: Seen) -> None:
    links = {path: content for path, (_, content) in seen.items() if content.startswith("->")}
    assert links == {
        "/bin": "-> usr/bin",
        "/etc/link": "-> services",
        "/var/run": "-> /run",
        "/var/spool/mail": "-> ../mail",
    }


def test_files_of_accounts_are_the_hosts_own(seen: Seen) -> None:
    assert seen["/etc/passwd"] == (0o644, only_system(PASSWD, 2))
    assert seen["/etc/group"] == (0o644, "root:x:0:\nsudo:x:27:\n")
    assert seen["/etc/shadow"] == (0o640, locked(PASSWD))
    assert seen["/etc/gshadow"] == (0o640, "root:!::\nsudo:!::\n")


def test_the_lab_s_users_may_sudo_where_the_machine_has_it(seen: Seen) -> None:
    mode, rules = seen["/etc/sudoers"]
    assert mode == 0o440  # else sudo(8) refuses it
    assert "%sudo ALL=(ALL:ALL) ALL" in rules.splitlines()


def test_no_group_has_a_password() -> None:
    assert locked_groups("root:x:0:\nadm:x:4:ada,bob\n\n+\n") == "root:!::\nadm:!::\n"


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "in pieces"])
def test_opt_that_is_a_link_to_what_is_hidden_is_empty(tmp_path: Path, in_pieces: bool) -> None:
    build(
        tmp_path / "root",
        {
            "/opt": (0, "-> /data/opt"),
            "/data/opt/tool": (0o644, "hidden"),
            "/usr/local": (0, "-> ../var/usrlocal"),
            "/var/usrlocal/bin/tool": (0o755, "shown"),
        },
    )
    seen = look(tmp_path, in_pieces, {})
    assert seen["/opt"] == (0o755, "a folder")
    assert {path for path, (_, content) in seen.items() if content == "shown"} == {
        "/var/usrlocal/bin/tool"
    }
    assert [path for path, (_, content) in seen.items() if content == "hidden"] == []
