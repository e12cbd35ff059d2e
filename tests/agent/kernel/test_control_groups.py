"""Control groups: which a process is in, where they are mounted, and joining them."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.agent.kernel.control_groups import (
    cgroup_files,
    join_cgroups,
    memory_is_limited,
    parse_cgroup_mounts,
    parse_cgroups,
)

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_MOUNT = "31 24 0:27 /docker/ab /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct"
NO_CGROUP = "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/\n", {"": "/"}),
        ("0::/user.slice/a:b\n", {"": "/user.slice/a:b"}),
        (
            "5:cpu,cpuacct:/docker/ab\n1:name=systemd:/x\n",
            {"cpu,cpuacct": "/docker/ab", "name=systemd": "/x"},
        ),
        ("", {}),
    ],
)
def test_the_groups_of_a_process(text: str, expected: dict[str, str]) -> None:
    assert parse_cgroups(text) == expected


@pytest.mark.parametrize(
    ("mountinfo", "expected"),
    [
        (NO_CGROUP, []),
        (V2_MOUNT, [({""}, "/sys/fs/cgroup", "/")]),
        (V1_MOUNT, [({"rw", "cpu", "cpuacct"}, "/sys/fs/cgroup/cpu", "/docker/ab")]),
        # An optional field more, and both versions at once.
        (
            f"{V2_MOUNT}\n{V1_MOUNT.replace('shared:9', 'shared:9 master:2')}",
            [
                ({""}, "/sys/fs/cgroup", "/"),
                ({"rw", "cpu", "cpuacct"}, "/sys/fs/cgroup/cpu", "/docker/ab"),
            ],
        ),
    ],
)
def test_the_mounts_of_control_groups(
    mountinfo: str, expected: list[tuple[set[str], str, str]]
) -> None:
    assert parse_cgroup_mounts(mountinfo) == expected


@pytest.mark.parametrize(
    ("cgroups", "own", "expected"),
    [
        ({"": "/lab/h1"}, {"": "/"}, ["/sys/fs/cgroup/lab/h1/cgroup.procs"]),
        ({"": "/"}, {"": "/lab"}, ["/sys/fs/cgroup/cgroup.procs"]),
        ({"": "/same"}, {"": "/same"}, []),
        # Below the mount's root, which is /docker/ab.
        ({"cpu,cpuacct": "/docker/ab/x"}, {}, ["/sys/fs/cgroup/cpu/x/cgroup.procs"]),
        ({"freezer": "/mounted/nowhere"}, {}, []),
    ],
)
def test_the_files_by_which_groups_are_joined(
    cgroups: dict[str, str], own: dict[str, str], expected: list[str]
) -> None:
    assert cgroup_files(cgroups, own, parse_cgroup_mounts(f"{V2_MOUNT}\n{V1_MOUNT}")) == expected


@pytest.mark.parametrize(
    ("name", "text", "limited"),
    [
        ("memory.max", "max\n", False),
        ("memory.max", "67108864\n", True),
        ("memory.limit_in_bytes", "9223372036854771712\n", False),
        ("memory.limit_in_bytes", "67108864\n", True),
        ("cgroup.procs", "", False),
    ],
)
def test_whether_memory_is_limited(tmp_path: Path, name: str, text: str, limited: bool) -> None:
    (tmp_path / name).write_text(text)
    assert memory_is_limited([str(tmp_path / "cgroup.procs")]) is limited


def test_who_joins_a_group_writes_itself_into_its_file(tmp_path: Path) -> None:
    file = tmp_path / "cgroup.procs"
    file.write_text("")
    join_cgroups([str(file)])
    assert file.read_text() == "0"


def test_a_group_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"cannot join the node's control group by .*gone"):
        join_cgroups([str(tmp_path / "gone" / "cgroup.procs")])
