"""The machine as the tests watch it: what labs of ours would leave, and nothing of others."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from playground.engines.seam import LabLabels
from tests import machine

pytestmark = pytest.mark.skipif(machine.THROWN_AWAY, reason="this kernel is not watched")

# In namespaces of its own, so that no other program sees what is planted.
LOOK = """
import json, subprocess, sys
from tests import machine
found = []
for line in sys.argv[1:]:
    before = machine.state()
    subprocess.run(["sh", "-c", line], check=True)
    found.append(sorted(machine.changed(before)))
print(json.dumps(found))
"""


def seen(*lines: str) -> list[list[str]]:
    """Return what the tests would find changed after each of these commands."""
    alone = ["unshare", "--mount", "--net", *(["--map-root-user"] if os.geteuid() else [])]
    argv = [*alone, sys.executable, "-c", LOOK, *lines]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_what_a_lab_would_leave_is_seen():
    rule = 'nft add rule ip filter FORWARD iifname "pg_0a1b2c3d4e" accept'
    planted = {
        "mount -t tmpfs tmpfs /run": "mounts",
        "mount --bind /proc/sys/net /proc/sys/net": "mounts",
        "mount -t tmpfs playground-x /var/lib/dpkg": "mounts",
        "ip link add eth7 type veth peer name x0": "interfaces",
        "ip link add h1-eth0 type veth peer name x1": "interfaces",
        "ip link add b7.10 type bridge": "interfaces",
        "ip link add pg_0a1b2c3d4e type veth peer name x2": "interfaces",
        # As one that a lab took in and did not give back.
        "ip link del eth7": "interfaces",
        "ip link set lo up; ip route add 10.0.1.0/24 dev lo": "routes",
        "nft add table ip playground_pg_0a1b2c3d4e": "rules",
        f"nft add table ip filter; nft add chain ip filter FORWARD; {rule}": "rules",
        "echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter": ("/proc/sys/net/ipv4/conf/all/rp_filter"),
    }
    assert dict(zip(planted, seen(*planted), strict=True)) == {
        line: [what] for line, what in planted.items()
    }


def test_what_others_do_is_not_ours():
    done = [
        "mount -t tmpfs tmpfs /var/lib/dpkg",
        "mount -t proc proc /usr/share/doc",
        "ip link add swarm0 type veth peer name swarm1; ip link set swarm0 up",
        "ip link add br-1 type bridge; ip link set br-1 up",
        "ip link add veth12 type veth peer name x0; ip link set veth12 master br-1",
        "ip route add 10.0.1.0/24 dev br-1",
        "nft add table inet somebody",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ]
    assert dict(zip(done, seen(*done), strict=True)) == {line: [] for line in done}


@pytest.mark.parametrize(
    ("user", "ours"),
    [
        pytest.param("ada", False, id="a-program-that-runs"),
        pytest.param(f"ada{machine.MARK}1", False, id="other-tests"),
        pytest.param(None, True, id="these-tests"),
    ],
)
def test_processes_and_links_of_a_lab_are_those_of_its_owner(user, ours):
    pid = os.getpid() if ours else os.getppid()
    owner = f"{user or os.environ['LOGNAME']}@{socket.gethostname()}:{pid}"
    lab = LabLabels(f"watched-{os.getpid()}", "watched", owner)
    environment = {**os.environ, **lab.as_labels("keeper")}
    with subprocess.Popen(["sleep", "60"], env=environment) as process:
        try:
            assert process.pid in machine.children()
            assert (lab.id in machine.labs_with_remains()) is ours
            note = json.dumps({"playground": 1, "to": f"{lab.id}/h1"})
            name = "pg_0a1b2c3d4e"
            made = seen(
                f"ip link add {name} type veth peer name x0; ip link set {name} alias '{note}'",
                f"nft add table ip playground_{name}",
            )
            assert made == ([["interfaces"], ["rules"]] if ours else [[], []])
        finally:
            process.kill()
