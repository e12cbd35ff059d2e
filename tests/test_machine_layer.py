"""What hosts see of the machine's own files: programs, and nothing of its people."""

from __future__ import annotations

import pytest

from playground.machine_layer import files_and_dns, locked, only_system, system_mounts, with_sudo

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
        ("/usr", "btrfs"),
        ("/usr/local", "ext4"),
        ("/var/lib", "ext4"),
        ("/var", "xfs"),
    )
    assert system_mounts(text) == ["/usr", "/usr/local", "/var", "/var/lib"]


@pytest.mark.parametrize(
    "mount",
    [
        ("/home", "ext4"),
        ("/proc", "proc"),
        ("/usr/share/backup", "ext4"),
        ("/var/lib/docker", "ext4"),
        ("/usr", "nfs4"),
        ("/opt", "fuse.sshfs"),
        ("/mnt/data", "xfs"),
    ],
    ids=lambda mount: " ".join(mount),
)
def test_people_s_data_and_what_is_far_away_are_not(mount: tuple[str, str]) -> None:
    assert system_mounts(mountinfo(("/", "ext4"), mount)) == []
