"""Options of `docker run`, given to a host: they mean the same on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from playground import Host, Lab, Link, Switch
from playground.engines.seam import Engine
from playground.errors import EngineError

pytestmark = pytest.mark.cannot("swarm", "give hosts devices of the machine")


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan")
    for host in (
        Host("plain"),
        Host(
            "told",
            hostname="other",
            env={"COLOUR": "green", "PATH": "/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            workdir="/srv/app",
            cap_add="SYS_PTRACE",
            devices="/dev/net/tun",
            shm_mb=3,
            ulimits={"nofile": (512, 1024), "core": 0},
            labels={"course": "networks"},
            dns="192.0.2.53",
            extra_hosts={"printer": "192.0.2.9"},
        ),
        Host("served", user="www-data"),
        Host("closed", read_only=True),
    ):
        Link(lan, host)
    with Lab(lan, name="container-options", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def said(lab: Lab, name: str, command: str, user: str | None = None) -> str:
    return lab.node(name).run(command, user=user).stdout.strip()


def test_variables_are_there_for_all_that_runs(lab: Lab) -> None:
    assert said(lab, "told", "echo $COLOUR $PATH") == (
        "green /opt/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    )


def test_a_working_directory_is_made_if_need_be(lab: Lab) -> None:
    assert said(lab, "told", "pwd") == "/srv/app"


def test_a_host_may_call_itself_by_another_name(lab: Lab) -> None:
    assert said(lab, "told", "hostname") == "other"
    assert "192.0.2.9" in said(lab, "told", "getent hosts printer")
    assert "nameserver 192.0.2.53" in said(lab, "told", "cat /etc/resolv.conf")


def test_what_runs_is_another_users(lab: Lab) -> None:
    assert said(lab, "served", "id -un; echo $HOME") == "www-data\n/var/www"
    assert said(lab, "served", "id -un", user="root") == "root"
    # It has none of root's rights.
    assert said(lab, "served", "grep CapEff /proc/self/status").split()[1] == "0" * 16


def test_a_capability_more(lab: Lab) -> None:
    plain, told = (
        int(said(lab, name, "grep CapEff /proc/self/status").split()[1], 16)
        for name in ("plain", "told")
    )
    assert told & ~plain == 1 << 19  # CAP_SYS_PTRACE of capabilities(7)


def test_a_device_is_of_use(lab: Lab) -> None:
    """TUNSETIFF of linux/if_tun.h makes an interface of the host's own."""
    program = (
        "import fcntl, struct\n"
        "tun = open('/dev/net/tun', 'r+b', buffering=0)\n"
        "fcntl.ioctl(tun, 0x400454ca, struct.pack('16sH22x', b'tun7', 0x1001))\n"
        "print('tun7' in open('/proc/net/dev').read())\n"
    )
    assert lab.node("told").python(program).stdout == "True\n"
    assert said(lab, "plain", "test -e /dev/net/tun || echo none") == "none"


def test_shared_memory_has_its_size(lab: Lab) -> None:
    assert said(lab, "told", "df -k --output=size /dev/shm | tail -1") == "3072"
    assert said(lab, "plain", "df -k --output=size /dev/shm | tail -1") == "65536"


def test_limits_of_getrlimit_hold_for_what_runs(lab: Lab) -> None:
    command = "ulimit -Sn; ulimit -Hn; ulimit -c"
    assert said(lab, "told", command).split() == ["512", "1024", "0"]
    assert said(lab, "told", command, user="www-data").split() == ["512", "1024", "0"]
    assert said(lab, "plain", "ulimit -Hn") != "1024"


def test_a_host_may_be_closed_to_all_that_writes(lab: Lab) -> None:
    """Its names are known all the same, and what is in memory is written."""
    closed = lab.node("closed")
    for path in ("/etc/passwd", "/new", "/root/new"):
        result = closed.run(f"echo >> {path}", check=False)
        assert "Read-only file system" in result.stderr
    assert closed.run("echo > /dev/shm/new && getent hosts told").returncode == 0
    closed.hosts["printer"] = "192.0.2.9"
    assert "192.0.2.9" in said(lab, "closed", "getent hosts printer")
    assert closed.ping("told").received == 3


def test_a_power_that_would_be_none_is_refused(namespaces_engine: Engine) -> None:
    h1, h2 = Host("h1", cap_add="SYS_NICE"), Host("h2")
    Link(h1, h2)
    with pytest.raises(EngineError, match="h1: cap_add='SYS_NICE' gives a host of bare namespaces"):
        Lab(h1, name="powerless", engine=namespaces_engine, quiet=True).start()
