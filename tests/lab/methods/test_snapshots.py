"""A lab is kept as it is, changed, and brought back."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.engines.seam import Engine
from playground.errors import BadArgument, EngineError, NotRunning, UnknownName
from playground.lab.methods import snapshots
from playground.planning.difference import compare


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "playground" / "snapshots"


def test_files_links_and_what_was_typed_come_back(engine: Engine, state_home: Path) -> None:
    home, h1, r1 = Switch("home"), Host("h1"), Router("r1")
    www = Host("www", services=["http"])
    Link(home, h1)
    Link(home, r1)
    link = Link(r1, www)
    with Lab(home, name="life-snap", quiet=True, engine=engine) as lab:
        h1.write("/root/notes", "then")
        h1.hosts["printer"] = "192.0.2.7"
        h1.run("rm -f /etc/motd; ip address add 192.0.2.1/24 dev eth0")
        www.write("/var/www/html/index.html", "page of then")
        link.impair(loss_percent=0.001)
        lab.snapshot("before")
        assert lab.snapshots == ("before",)

        h1.write("/root/notes", "now")
        h1.write("/root/more", "now")
        h1.write("/etc/motd", "now")
        h1.run("ip address del 192.0.2.1/24 dev eth0; ip address add 192.0.2.2/24 dev eth0")
        www.write("/var/www/html/index.html", "page of now")
        www.services["http"].stop()
        link.restore()
        link.down()
        r1.stop(grace_s=0)

        lab.restore("before")
        assert h1.read("/root/notes") == "then"
        assert h1.run("ls /root/more /etc/motd", check=False).stdout == ""
        assert h1.hosts["printer"] == "192.0.2.7"
        addresses = h1.run("ip -4 address show dev eth0").stdout
        assert "192.0.2.1/24" in addresses
        assert "192.0.2.2/24" not in addresses
        assert h1.run(["curl", "-sf", "http://www/"]).stdout == "page of then"
        assert not link.is_down
        assert len(link.impairments) == 2
        assert r1.is_running
        assert not compare(lab.running_plan(), lab.plan())
        assert [*state_home.iterdir()]
    assert not [*state_home.iterdir()], "snapshots go with the lab"


def test_what_was_declared_since_goes(namespaces_engine: Engine) -> None:
    home, h1, r1 = Switch("home"), Host("h1"), Router("r1")
    Link(home, h1)
    Link(home, r1)
    with Lab(home, quiet=True, engine=namespaces_engine) as lab:
        r1.stop(grace_s=0)
        lab.snapshot("before")
        r1.start()
        r1.firewall.drop(port=81)
        Link(home, Host("h2"))
        lab.start()
        lab.restore("before")
        assert {node.name for node in lab.nodes} == {"home", "h1", "r1"}
        assert lab.node("r1").is_stopped
        lab.node("r1").start()
        assert "dport 81" not in lab.node("r1").run(["nft", "list", "ruleset"]).stdout
        assert lab.node("h1").ping("r1", count=1).received == 1


def test_what_cannot_be_kept_is_refused_and_nothing_is(namespaces_engine: Engine) -> None:
    h1 = Host("h1")
    Link(h1, Host("h2"))
    lab = Lab(h1, quiet=True, engine=namespaces_engine)
    assert lab.snapshots == ()
    for call in (lab.snapshot, lab.restore):
        with pytest.raises(NotRunning):
            call("before")
    with lab:
        h1.run("head -c 3000000 /dev/urandom > /root/large")
        with pytest.raises(EngineError, match="h1 has written more"):
            lab.snapshot("before", limit_mb=1)
        assert lab.snapshots == ()
        with pytest.raises(BadArgument, match="limit_mb=0 is no number of megabytes"):
            lab.snapshot("before", limit_mb=0)
        with pytest.raises(BadArgument, match="is no name for a snapshot"):
            lab.snapshot("../before")
        with pytest.raises(UnknownName, match="there is no snapshot 'before' of this lab"):
            lab.restore("before")
        assert h1.ping("h2", count=1).received == 1


def test_a_host_that_takes_nothing_back_stops_no_other(
    namespaces_engine: Engine, state_home: Path
) -> None:
    h1, h2 = Host("h1"), Host("h2")
    Link(h1, h2)
    with Lab(h1, quiet=True, engine=namespaces_engine) as lab:
        h2.write("/root/notes", "then")
        h2.run("ip route add 198.51.100.0/24 dev eth0")
        lab.snapshot("before")
        h2.write("/root/notes", "now")
        [archive] = state_home.glob("*/before/h1.tar")
        archive.write_bytes(b"rubbish")
        with pytest.raises(EngineError, match="h1: not brought back, and all else is: h1 did not"):
            lab.restore("before")
        assert h1.is_running
        assert h2.is_running
        assert h2.read("/root/notes") == "then"
        assert "198.51.100.0/24" in h2.run("ip route").stdout
        assert h2.ping("h1", count=1).received == 1


def test_an_address_of_dhcp_is_the_one_of_now_and_a_typed_one_comes_back() -> None:
    then = [["eth0", "10.0.1.2/24"], ["eth0", "192.0.2.1/24"], ["eth1", "10.0.1.7/24"]]
    now = [["eth0", "10.0.1.3/24"], ["eth1", "10.0.1.8/24"]]
    was, there = snapshots._without_leased(then, now, {("eth0", False), ("eth0", True)})
    assert was == [["eth0", "192.0.2.1/24"], ["eth1", "10.0.1.7/24"]]
    assert there == [["eth1", "10.0.1.8/24"]]
