"""Labs of an ordinary user: what works without root, and what is refused.

The tests run as root, which alone can become somebody else: a user with no name,
no group and no capability, for whom the kernel makes user namespaces.

"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from playground.engines.namespaces import labels
from playground.engines.namespaces.engine import NamespacesEngine
from playground.engines.seam import LabRecord
from tests.ordinary import NOBODY, USES_SOCKETS, ordinary_user
from tests.planted import LAB, SHOWN, plant
from tests.support_agent import connect, needs_libpcap


@pytest.fixture(scope="session")
def engine(namespaces_engine: NamespacesEngine) -> NamespacesEngine:
    return namespaces_engine


@pytest.fixture(scope="module")
def ordinary(
    namespaces_engine: NamespacesEngine,
) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run a script as an ordinary user; ``before`` is called in the child, as root still."""
    with ordinary_user("namespaces") as run:
        yield run


def _labs() -> list[LabRecord]:
    """The labs of the ordinary user, who has no name; others may run beside them."""
    return [record for record in labels.find_labs() if record.owner.startswith(f"{NOBODY}@")]


def test_an_ordinary_users_lab_has_a_router_that_translates_addresses(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary(
        """
home = Switch("home", subnet="192.168.1.0/24")
modem, h1, h2, www = Router("modem"), Host("h1"), Host("h2"), Host("www")
for node in (modem, h1, h2):
    Link(home, node)
uplink = Link(modem, www, subnet="203.0.113.0/24")
modem.masquerade(uplink)

def sniff():
    import socket
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as wire:
        wire.settimeout(20)
        return wire.recv(2000)[26:30]  # RFC 791: the source address, after 14 of Ethernet

with Lab(home, quiet=True):
    print(h1.ping(www, count=1).received, h1.ping(h2, count=1).received)
    job = h1.start(["ping", "-i", "0.2", "203.0.113.2"])
    print(list(www.call(sniff)))
    job.terminate()
    print(h1.run("id -u; hostname; echo hello > /root/file; cat /root/file").stdout.split())
"""
    ).stdout.splitlines()
    assert said[0] == "1 1"
    assert said[1] in ("[203, 0, 113, 1]", "[203, 0, 113, 2]")  # never 192.168.1.x
    assert said[2] == "['0', 'h1', 'hello']"
    assert _labs() == []


def test_an_ordinary_users_hosts_have_firewalls(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    shown = ordinary("""
h1, h2 = Host("h1"), Host("h2")
Link(h1, h2)
with Lab(h1, engine="namespaces", quiet=True):
    rule = h1.firewall.drop(source=h2, protocol="icmp")
    h1.firewall.log(protocol="icmp", state="established", before=rule)
    lost = h2.ping(h1, count=1, timeout_s=1).received
    counted = [row.packets for row in h1.firewall.rules() if row.number == rule.number]
    rule.remove()
    with h1.firewall.watch():
        print(lost, counted, h2.ping(h1, count=1).received, len(h1.connections()), h1.forget())
""")
    assert shown.stdout == "0 [1] 1 1 1\n"


def test_what_the_machine_keeps_to_itself_no_host_sees(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary(LAB, before=plant)
    assert said.stdout.split() == [*SHOWN, "passwd:", "root:x:0:0:root:/root:/bin/bash"]


def test_images_of_users_need_root_or_ids_of_their_own(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    failed = ordinary('Lab(Host("db", image="postgres:17"), quiet=True).start()', check=False)
    assert failed.stderr.splitlines()[-1].startswith(
        "playground.errors.EngineError: db: the image postgres:17 has files of several owners"
    )
    assert "a range in /etc/subuid" in failed.stderr


def test_services_need_them_too_and_the_refusal_comes_before_anything_is_made(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    failed = ordinary('Lab(Host("www", services=["http"]), quiet=True).start()', check=False)
    assert failed.returncode == 1
    last = failed.stderr.strip().splitlines()[-1]
    assert last.startswith("playground.errors.EngineError: www offers http")
    assert re.search(r"run this as root \(`(sudo|su -c) .*script\.py", last)


def test_limits_need_root(ordinary: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    failed = ordinary('Lab(Host("h1", memory_mb=64), quiet=True).start()', check=False)
    assert "h1 has limits" in failed.stderr.strip().splitlines()[-1]


def test_another_user_is_refused_in_a_sentence_where_root_is_the_only_one(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    failed = ordinary(
        'h1 = Host("h1")\nwith Lab(h1, quiet=True): h1.run("id", user="student")', check=False
    )
    last = failed.stderr.strip().splitlines()[-1]
    assert "its hosts know no other user than root" in last
    assert "/etc/subuid" in last


def test_a_kept_lab_is_found_and_taken_down_by_its_user(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ordinary('Lab(Host("h1"), name="mine", keep=True, quiet=True).start().detach()')
    try:
        assert [record.name for record in _labs()] == ["mine"]
        said = ordinary(
            'lab = Lab.attach("mine")\nprint(lab["h1"].run("hostname").stdout)\nlab.stop()'
        )
        assert said.stdout.split() == ["h1"]
        assert _labs() == []
    finally:
        for record in _labs():
            NamespacesEngine().stop(record.id)


def test_where_the_kernel_forbids_it_the_setting_is_named(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    failed = ordinary(
        'Lab(Host("h1"), quiet=True).start()', before=_forbid_user_namespaces, check=False
    )
    last = failed.stderr.strip().splitlines()[-1]
    assert "sysctl -w user.max_user_namespaces=" in last


def _forbid_user_namespaces() -> None:
    """Enter a user namespace in which no further one may be made; keep all ids as they are."""
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.read(reader, 1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{parent}/{name}", "w") as file:
                file.write("0 0 4294967295")
        os._exit(0)
    assert ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER, sched.h
    os.write(writer, b"x")
    assert os.waitpid(child, 0)[1] == 0
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")


def test_links_go_down_and_are_impaired_without_root(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = ordinary("""
h1, h2, lan = Host("h1"), Host("h2"), Switch("lan")
cable, other = Link(lan, h1), Link(lan, h2)
with Lab(lan, quiet=True):
    for settings in ({"rate_mbit": 10}, {"loss_percent": 0.001}, {"delay_ms": 30}):
        try:
            cable.impair(**settings)
        except PlaygroundError as error:
            # Without netem, and with a tap for root alone.
            assert "delay_ms" in settings and "chmod 666 /dev/net/tun" in str(error)
            settings = {"loss_percent": 0.001}
        assert [row.impairment.settings() for row in cable.impairments] == [settings] * 2
        print(h1.ping(h2, interval_s=0.05).rtt_ms >= settings.get("delay_ms", 0))
    cable.down()
    print([row.carrier for row in cable.statistics()])
""")
    assert done.stdout.split() == ["True"] * 3 + ["[False,", "False]"]


def test_an_ordinary_users_ports_folders_and_files(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary(
        """
import os, tempfile, urllib.request
from pathlib import Path
mine = Path(tempfile.mkdtemp())
(mine / "site").mkdir()
(mine / "site" / "index.html").write_text("mine")
(mine / "shared").mkdir()
volumes = {mine / "site": "/srv/site", mine / "shared": "/srv/shared:rw"}
www = Host("www", volumes=volumes, files={"/root/said": "hello"}, publish=8000)
Link(www, Host("client"))
with Lab(www, quiet=True, engine="namespaces") as lab:
    next(iter(www.start("python3 -u -m http.server 8000 -d /srv/site").stdout))
    print(urllib.request.urlopen(lab.published[0], timeout=20).read())
    www.run("cp /root/said /srv/shared/")
    said = mine / "shared" / "said"
    print(said.read_text(), said.stat().st_uid == os.getuid())
"""
    )
    assert said.stdout.splitlines() == ["b'mine'", "hello True"]


def test_an_ordinary_users_python_sockets_live_on_a_host(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    assert ordinary(USES_SOCKETS).stdout.split() == ["10.9.0.2", "SOCK_RAW"]


def test_an_ordinary_users_own_services_need_no_image(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary("""
web = Service("web", "python3 -m http.server 80", port=80, ready="http", workdir="/root")
h1, h2 = Host("h1", services=[web], files={"/root/page": "hello"}), Host("h2")
Link(h1, h2)
with Lab(h1, engine="namespaces", quiet=True):
    print(h2.run("curl -s http://h1/page").stdout, h1.services["web"].status())
""").stdout
    assert said == "hello running\n"


def test_what_runs_and_what_passes_is_seen_without_root(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary("""
h1, h2 = Host("h1"), Host("h2")
link = Link(h1, h2)
with Lab(h1, engine="namespaces", quiet=True) as lab:
    print(*[row.command for row in h1.processes()])
    with link.watch(0.02) as samples, h1.watch_tcp() as windows:
        h1.ping(h2, count=3, interval_s=0.05)
    print(sum(row.packets for row in samples.table() if row.toward == "h2") >= 3, windows.rows)
    link.down()
    print(*[cable.state for cable in lab.picture().diagram.cables])
""").stdout
    assert said.splitlines() == ["/run/playground/pause", "True []", "down"]


@needs_libpcap
def test_packets_are_captured_without_root(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary("""
h1, h2 = Host("h1"), Host("h2")
Link(h1, h2)
with Lab(h1, engine="namespaces", quiet=True) as lab, lab.capture(filter="icmp") as packets:
    h1.ping(h2, count=1)
print(*[packet.where for packet in packets])
""").stdout
    assert said == "h1/eth0 h2/eth0 h2/eth0 h1/eth0\n"


def test_vlans_are_the_kernels_own_or_roots(ordinary):
    with connect() as agent:
        own = {"8021q", "filtering"} <= set(agent.call("vlan_ways"))
    done = ordinary(
        """
s, a, b = Switch("s", vlans=(10, 20)), Host("a"), Host("b")
Link(s, a, vlan=10)
Link(s, b, trunk=True)
try:
    with Lab(s, quiet=True):
        print(a.ping(b, count=1).received)
except AgentError as error:
    print(error)
"""
    )
    assert ("1" if own else "takes root of the machine") in done.stdout


def test_an_ordinary_users_packets_are_explained(
    ordinary: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    said = ordinary(
        """
home = Switch("home", subnet="192.168.1.0/24")
modem, h1, www = Router("modem"), Host("h1"), Host("www")
for node in (modem, h1):
    Link(home, node)
modem.masquerade(Link(modem, www, subnet="203.0.113.0/24"))
with Lab(home, quiet=True) as lab:
    print(lab.explain(h1, www).path)
    modem.firewall.drop(protocol="icmp")
    found = lab.explain(h1, www)
    print(found.node, found.cause)
    with www.start("exec python3 -m http.server 80"):
        print(lab.check.reaches(h1, www, port=80).ok)
        print([one.program for one in lab.state()["www"].sockets if one.port == 80])
"""
    ).stdout.splitlines()
    assert said == ["('h1', 'modem', 'www')", "modem firewall", "True", "['python3']"]
    assert _labs() == []
