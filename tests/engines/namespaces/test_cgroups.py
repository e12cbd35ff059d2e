"""Control groups: what a machine has, what limits become, and that they hold."""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.engines.namespaces import cgroups
from playground.engines.namespaces.cgroups import (
    CgroupFile,
    Hierarchy,
    find_points,
    lacking,
    own_folders,
    parse_mounts,
    refusal,
    settings,
)
from tests.support_agent import needs_root

# Lines of /proc/self/mountinfo on machines of each kind.
VERSION_2 = """\
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
27 22 0:23 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
"""
VERSION_1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw shared:12 - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
"""
# systemd's hybrid: all controllers in version 1, and an empty version 2 beside it.
HYBRID = VERSION_1 + "41 31 0:38 / /sys/fs/cgroup/unified rw shared:3 - cgroup2 cgroup2 rw\n"
# One controller taken to version 2 by hand.
MIXED = HYBRID.replace(
    "39 31 0:36 / /sys/fs/cgroup/pids rw shared:12 - cgroup cgroup rw,pids\n", ""
)
CONTAINER = r"""
9 8 0:32 /docker/4a /sys/fs/cgroup/memory ro master:19 - cgroup cgroup rw,memory
9 8 0:32 /docker/4a /elsewhere ro - cgroup cgroup rw,memory
9 8 0:33 / /odd\040place rw - cgroup cgroup rw,pids
""".lstrip()

GIB = 1 << 30


# -- what a machine has -------------------------------------------------------


@pytest.mark.parametrize(
    ("mountinfo", "unified", "places"),
    [
        (
            VERSION_2,
            "cpuset cpu io memory hugetlb pids\n",
            dict.fromkeys(("memory", "cpu", "pids"), (2, "/sys/fs/cgroup", "/")),
        ),
        (
            VERSION_1,
            "",
            {
                "memory": (1, "/sys/fs/cgroup/memory", "/"),
                "cpu": (1, "/sys/fs/cgroup/cpu,cpuacct", "/"),
                "pids": (1, "/sys/fs/cgroup/pids", "/"),
            },
        ),
        (
            HYBRID,
            "\n",
            {
                "memory": (1, "/sys/fs/cgroup/memory", "/"),
                "cpu": (1, "/sys/fs/cgroup/cpu,cpuacct", "/"),
                "pids": (1, "/sys/fs/cgroup/pids", "/"),
            },
        ),
        (
            MIXED,
            "pids\n",
            {
                "memory": (1, "/sys/fs/cgroup/memory", "/"),
                "cpu": (1, "/sys/fs/cgroup/cpu,cpuacct", "/"),
                "pids": (2, "/sys/fs/cgroup/unified", "/"),
            },
        ),
        (
            CONTAINER,
            "",
            {
                "memory": (1, "/sys/fs/cgroup/memory", "/docker/4a"),
                "pids": (1, "/odd place", "/"),
            },
        ),
        ("22 28 0:20 / /sys rw - sysfs sysfs rw\n", "", {}),
    ],
    ids=["version 2", "version 1", "hybrid", "one moved", "in a container", "none"],
)
def test_each_controller_is_where_the_machine_has_it(
    mountinfo: str, unified: str, places: dict[str, tuple[int, str, str]]
) -> None:
    assert find_points(mountinfo, unified) == places


def test_what_is_no_control_group_is_passed_over() -> None:
    assert [(version, point) for version, _, point, _ in parse_mounts(VERSION_2)] == [
        (2, "/sys/fs/cgroup")
    ]


SCOPE = "/user.slice/user-1000.slice/user@1000.service/app.slice/a.scope"


@pytest.mark.parametrize(
    ("cgroup", "version", "root", "folders"),
    [
        (f"0::{SCOPE}\n", 2, "/", ["/m", "/m/user.slice", f"/m{SCOPE}"]),
        ("4:memory:/a/b\n0::/\n", 1, "/", ["/m", "/m/a", "/m/a/b"]),
        ("4:cpu,memory:/a\n0::/\n", 1, "/", ["/m", "/m/a"]),
        ("4:memory:/\n", 1, "/", ["/m"]),
        ("4:memory:/docker/4a/x\n", 1, "/docker/4a", ["/m", "/m/x"]),
        ("4:memory:/docker/4ab\n", 1, "/docker/4a", ["/m"]),
        # From within a control group namespace.
        ("0::/\n", 2, "/../..", ["/m"]),
        ("0::/../x\n", 2, "/", ["/m"]),
        ("1:cpu:/a\n", 1, "/", ["/m"]),
    ],
    ids=["v2", "v1", "together", "top", "below", "beside", "outside", "left", "in none"],
)
def test_the_way_down_to_ones_own_group(
    cgroup: str, version: int, root: str, folders: list[str]
) -> None:
    found = own_folders(cgroup, "memory", version, "/m", root)
    assert [found[0], *[folder for folder in found[1:] if folder in folders]] == folders
    assert found[-1] == folders[-1]


# -- what limits become -------------------------------------------------------


def test_limits_for_version_1() -> None:
    assert settings({"memory_mb": 1024, "cpus": 0.5, "processes": 100}, 1) == {
        "memory": [
            CgroupFile("memory.limit_in_bytes", str(GIB)),
            CgroupFile("memory.memsw.limit_in_bytes", str(GIB), optional=True),
        ],
        "cpu": [CgroupFile("cpu.cfs_period_us", "100000"), CgroupFile("cpu.cfs_quota_us", "50000")],
        "pids": [CgroupFile("pids.max", "100")],
    }


def test_limits_for_version_2() -> None:
    assert settings({"memory_mb": 1024, "cpus": 2.0, "processes": 100}, 2) == {
        "memory": [
            CgroupFile("memory.max", str(GIB)),
            CgroupFile("memory.swap.max", "0", optional=True),
        ],
        "cpu": [CgroupFile("cpu.max", "200000 100000")],
        "pids": [CgroupFile("pids.max", "100")],
    }


@pytest.mark.parametrize("version", [1, 2])
def test_what_was_not_said_is_not_limited(version: int) -> None:
    assert settings({"memory_mb": None, "cpus": None, "processes": None}, version) == {}
    assert list(settings({"cpus": 1.0}, version)) == ["cpu"]


def test_the_least_of_a_processor_is_what_the_kernel_takes() -> None:
    assert settings({"cpus": 0.001}, 2) == {"cpu": [CgroupFile("cpu.max", "1000 100000")]}


def test_a_machine_that_lacks_a_controller_is_told_of() -> None:
    there = {"pids": Hierarchy(2, "/m"), "cpu": None}
    assert lacking({"processes": 100, "memory_mb": None}, there) is None
    assert lacking({}, {}) is None
    missing = lacking({"memory_mb": 64, "processes": 100}, there)
    assert missing is not None
    assert missing.startswith("memory_mb= cannot be kept here: no control group hierarchy")
    refused = lacking({"cpus": 0.5}, there)
    assert refused is not None
    assert refused.startswith("cpus= cannot be kept here: you may not make control groups with")


@needs_root
@pytest.mark.parametrize(
    ("files", "may"),
    [
        ({"cgroup.controllers": "cpu memory pids\n", "cgroup.procs": "1\n2\n"}, True),
        (
            {
                "cgroup.controllers": "cpu memory pids\n",
                "cgroup.procs": "1\n",
                "cgroup.type": "domain\n",
            },
            False,
        ),
        (
            {
                "cgroup.controllers": "cpu memory pids\n",
                "cgroup.procs": "",
                "cgroup.type": "domain\n",
            },
            True,
        ),
        ({"cgroup.controllers": "cpu\n", "cgroup.procs": ""}, False),
        ({"cgroup.procs": ""}, False),
    ],
    ids=["top", "top of a container", "handed over", "not handed down", "no version 2"],
)
def test_where_version_2_lets_controllers_be_handed_down(
    tmp_path: Path, files: dict[str, str], may: bool
) -> None:
    for name, text in {"cgroup.subtree_control": "", **files}.items():
        (tmp_path / name).write_text(text)
    found = cgroups._usable("pids", 2, [str(tmp_path)])
    assert found == (Hierarchy(2, str(tmp_path)) if may else None)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a group"):
        cgroups.remove_lab(name)


# -- that they hold -----------------------------------------------------------


@pytest.fixture
def lab() -> Iterator[str]:
    """The id of a lab of this test's own, whose groups are gone afterwards."""
    name = f"test-{secrets.token_hex(3)}"
    yield name
    cgroups.remove_lab(name)
    assert name not in cgroups.lab_ids()


def in_groups(files: list[str], script: str) -> subprocess.Popen[str]:
    """Start Python in these groups, as a host's first process joins them."""
    join = f"for file in {files!r}: open(file, 'w').write('0')\n"
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", join + script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


FORK_BOMB = """
import os, signal
children = []
try:
    while len(children) < 200:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
    print('never')
except BlockingIOError:
    print(len(children) + 1)
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


@needs_root
def test_a_fork_bomb_ends_in_its_group(lab: str) -> None:
    files = cgroups.make_group(lab, "h1", {"processes": 20})
    output, _ = in_groups(files, FORK_BOMB).communicate()
    assert output == "20\n"


@needs_root
def test_who_takes_more_memory_than_his_group_has_is_killed(lab: str) -> None:
    files = cgroups.make_group(lab, "h1", {"memory_mb": 64})
    with in_groups(files, "bytearray(200 << 20)") as greedy:
        assert greedy.wait() == -signal.SIGKILL
    with in_groups(files, "bytearray(20 << 20)") as modest:
        assert modest.wait() == 0


@needs_root
def test_a_group_holds_what_was_written(lab: str) -> None:
    limits = {"memory_mb": 64, "cpus": 0.25, "processes": 20}
    files = cgroups.make_group(lab, "www.example.com", limits)
    assert all(f"/{lab}/host.www.example.com/cgroup.procs" in file for file in files)
    hierarchies = cgroups.find_hierarchies()
    for controller in ("memory", "cpu", "pids"):
        hierarchy = hierarchies[controller]
        assert hierarchy is not None
        group = Path(hierarchy.folder, "playground", lab, "host.www.example.com")
        for setting in settings(limits, hierarchy.version)[controller]:
            if not setting.optional or (group / setting.file).exists():
                assert (group / setting.file).read_text().strip() == setting.value


@needs_root
@pytest.mark.parametrize("name", ["tasks", "cgroup.procs", "pids.max"])
def test_a_host_may_be_called_as_a_file_of_its_group(lab: str, name: str) -> None:
    assert cgroups.make_group(lab, name, {"processes": 20})


@needs_root
def test_nothing_is_left_of_a_lab(lab: str) -> None:
    for name in ("h1", "h2"):
        cgroups.make_group(lab, name, {"processes": 20, "cpus": 1.0})
    assert lab in cgroups.lab_ids()
    cgroups.remove_group(lab, "h1")
    assert lab in cgroups.lab_ids()
    cgroups.remove_lab(lab)
    assert lab not in cgroups.lab_ids()
    cgroups.remove_lab(lab)
    cgroups.remove_group(lab, "h1")


@needs_root
def test_what_is_left_in_a_group_is_killed(lab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "GRACE_S", 0.0)
    files = cgroups.make_group(lab, "h1", {"processes": 20})
    with in_groups(files, "print('in', flush=True); input()") as stray:
        assert stray.stdout is not None
        assert stray.stdout.readline() == "in\n"
        cgroups.remove_group(lab, "h1")
        assert stray.wait() == -signal.SIGKILL


@needs_root
def test_who_leaves_in_time_is_not_killed(lab: str) -> None:
    files = cgroups.make_group(lab, "h1", {"processes": 20})
    with in_groups(files, "print('in', flush=True); input(); print('whole')") as leaving:
        assert leaving.stdout is not None
        assert leaving.stdin is not None
        assert leaving.stdout.readline() == "in\n"
        leaving.stdin.write("\n")
        leaving.stdin.close()
        cgroups.remove_group(lab, "h1")
        assert leaving.stdout.readline() == "whole\n"
        assert leaving.wait() == 0


@needs_root
def test_limits_that_the_kernel_refuses_leave_nothing(lab: str) -> None:
    with pytest.raises(OSError, match="cannot limit a host: Invalid argument: '-7' in "):
        cgroups.make_group(lab, "h1", {"processes": -7})
    cgroups.remove_lab(lab)
    assert lab not in cgroups.lab_ids()


@needs_root
def test_this_machine_has_all_that_limits_need() -> None:
    assert refusal({"memory_mb": 64, "cpus": 0.5, "processes": 20}) is None


ELSEWHERE = """
import os, sys; sys.path.insert(0, sys.argv[1])
import cgroups
{change}
print(cgroups.refusal({{"processes": 20}}))
print(cgroups.lab_ids())
try:
    cgroups.make_group("x", "h1", {{"processes": 20}})
except OSError as error:
    print(error.strerror)
"""


@needs_root
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "os.setgroups([]); os.setresuid(65534, 65534, 65534)",
            "processes= cannot be kept here: you may not make control groups with",
        ),
        (
            "os.system('umount -l /sys/fs/cgroup')",
            "processes= cannot be kept here: no control group hierarchy of this machine",
        ),
    ],
    ids=["an ordinary user", "no control groups"],
)
def test_what_cannot_be_is_said_and_not_begun(change: str, words: str) -> None:
    # In a mount namespace of its own.
    sentence, ids, error = alone(ELSEWHERE.format(change=change), "unshare", "-m").splitlines()
    assert sentence.startswith(words)
    assert ids == "[]"
    assert error == sentence


def test_it_imports_nothing_of_ours() -> None:
    # A script that has no package beside it imports it alone.
    script = "import sys; sys.path.insert(0, sys.argv[1]); import cgroups"
    assert alone(f"{script}; print('playground' in sys.modules)") == "False\n"


def alone(script: str, *before: str) -> str:
    """Return what a Python prints that finds nothing but the module's own folder."""
    folder = str(Path(cgroups.__file__).parent)
    argv = [*before, sys.executable, "-I", "-S", "-c", script, folder]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
