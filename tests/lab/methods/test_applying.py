"""A running lab becomes what a file declares, and what is the same goes on."""

from __future__ import annotations

from typing import Any

import pytest

from playground import Host, Lab, Link, Router, Switch
from playground.engines.seam import Engine
from playground.errors import BadArgument, TopologyError
from playground.planning.difference import compare


def first() -> list[Switch]:
    """h1, h2 - home - r1 - www; r1 - old - h4"""
    home, old, r1 = Switch("home", subnet="10.5.0.0/24"), Switch("old"), Router("r1")
    h1 = Host("h1")
    Link(home, h1, address="10.5.0.8")
    Link(home, r1)
    Link(r1, Host("www"))
    Link(home, Host("h2"))
    Link(old, Host("h4"))
    Link(old, r1)
    return [home]


def second() -> list[Switch]:
    """h1 (elsewhere), h3 - home - r1 - www (a slow link, a rule, less memory)"""
    home, r1, www = Switch("home", subnet="10.5.0.0/24"), Router("r1"), Host("www")
    h1, h3 = Host("h1"), Host("h3", memory_mb=64)
    Link(home, h1, address="10.5.0.9")
    Link(home, r1)
    link = Link(r1, www)
    link.impair(loss_percent=0.001)
    www.firewall.drop(port=99)
    Link(home, h3)
    return [home]


def test_what_differs_is_done_and_the_rest_left_alone(engine: Engine) -> None:
    with Lab(*first(), name="life-apply", quiet=True, engine=engine) as lab:
        lab.node("www").write("/root/notes", "kept")
        lab.node("h1").start("sleep 1000")
        before = dict(lab._state.pids)
        wanted = Lab(*second(), name="life-apply", quiet=True)
        planned = lab.apply(wanted, dry_run=True)
        assert "h2" in lab
        assert str(lab.apply(wanted)) == str(planned)
        said = str(planned).splitlines()
        for line in (
            "- h1 address 10.5.0.8/24 dev eth0",
            "+ h1 address 10.5.0.9/24 dev eth0",
            "- h2 node host",
            "+ h3 node host",
            "- link old h4-eth0 - h4 eth0",
        ):
            assert line in said
        assert {node.name for node in lab.nodes} == {"home", "h1", "r1", "www", "h3"}
        assert {*lab._state.engine.pids(lab.id)} == {"h1", "r1", "www", "h3"}
        assert {name: before[name] for name in ("h1", "r1", "www")}.items() <= (
            lab._state.pids.items()
        )
        assert lab.node("www").read("/root/notes") == "kept"
        assert "sleep 1000" in {row.command for row in lab.node("h1").processes()}
        assert "dport 99" in lab.node("www").run(["nft", "list", "ruleset"]).stdout
        assert lab.ping_all(timeout_s=2).all_reached
        assert not compare(lab.running_plan(), lab.plan())
        again = Lab(*second(), name="life-apply", quiet=True)
        assert not lab.apply(again)


def test_a_node_with_other_limits_is_made_anew_where_it_was(namespaces_engine: Engine) -> None:
    def pair(memory_mb: int | None) -> Host:
        h1 = Host("h1", memory_mb=memory_mb)
        Link(Host("h2"), h1)
        return h1

    with Lab(pair(64), quiet=True, engine=namespaces_engine) as lab:
        address = lab.node("h1").address
        lab.node("h1").write("/root/notes", "gone")
        diff = lab.apply(Lab(pair(65), quiet=True))
        assert str(diff.differences[0]) == "! h1 made anew its limits"
        assert lab.node("h1").run("test -e /root/notes", check=False).returncode == 1
        assert lab.node("h1").address == address
        assert lab.node("h2").ping("h1", count=1).received == 1


def test_what_cannot_be_is_refused_and_nothing_is_touched(namespaces_engine: Engine) -> None:
    def lab_with(address: str) -> Lab:
        home, h1 = Switch("home", subnet="10.5.0.0/24"), Host("h1")
        Link(home, h1, address=address)
        Link(home, Host("h2"), address="10.5.0.2")
        return Lab(h1, quiet=True, strict=False, engine=namespaces_engine)

    with lab_with("10.5.0.1") as lab:
        plan = lab.running_plan()
        with pytest.raises(BadArgument, match="apply takes a lab, such as"):
            lab.apply("lab.yaml")  # type: ignore[arg-type]
        with pytest.raises(BadArgument, match="runs already: apply takes a lab that is only"):
            lab.apply(lab)
        broken = lab_with("10.5.0.1")
        Link(broken.node("h1"), Host("h1"))
        with pytest.raises(TopologyError):
            lab.apply(broken)
        assert lab.running_plan() is plan
        assert lab.node("h1").ping("h2", count=1).received == 1


def test_the_name_of_what_is_applied_is_not_asked(namespaces_engine: Engine) -> None:
    def street(name: str, *others: str) -> Lab:
        h1 = Host("h1")
        for other in others:
            Link(h1, Host(other))
        return Lab(h1, name=name, quiet=True, engine=namespaces_engine)

    with street("life-named", "h2") as lab, street("life-named-too", "h9") as neighbour:
        lab["h1"].write("/root/notes", "kept")
        foreign = Host("h4")
        Link(foreign, Host("h5"))
        mixed = Lab(foreign, name="life-mixed", quiet=True)
        Link(foreign, neighbour["h9"])
        # h9 runs in another lab, and h1 with it.
        for dry_run in (True, False):
            with pytest.raises(TopologyError, match="runs in lab 'life-named-too'"):
                lab.apply(mixed, dry_run=dry_run)
        assert foreign in mixed
        assert lab["h1"].ping("h2", count=1).received == 1
        assert neighbour["h1"].ping("h9", count=1).received == 1
        lab.apply(street("life-else", "h3"))
        assert lab["h1"].read("/root/notes") == "kept"
        assert lab["h1"].ping("h3", count=1).received == 1
        assert "h2" not in lab
        Link(lab["h3"], Host("h6"))
        lab.start()
        assert lab["h3"].ping("h6", count=1).received == 1


def test_a_node_of_a_third_lab_is_refused_whatever_runs(namespaces_engine: Engine) -> None:
    h1, other = Host("h1"), Host("h2")
    Link(h1, Host("h3"))
    with Lab(h1, quiet=True, engine=namespaces_engine, name="life-third") as lab:
        again = Host("h1")
        wanted, third = Lab(again, name="life-w", quiet=True), Lab(other, name="life-o", quiet=True)
        Link(again, other)
        with pytest.raises(TopologyError, match="h2 is part of the lab 'life-o' already"):
            lab.apply(wanted)
        assert h1.ping("h3", count=1).received == 1
        assert other in third


def test_settings_of_the_lab_itself_are_told_and_taken_over(namespaces_engine: Engine) -> None:
    def pair(**settings: Any) -> Lab:
        h1 = Host("h1")
        Link(h1, Host("h2"))
        return Lab(h1, quiet=True, engine=namespaces_engine, **settings)

    with pair(users={"anna": "secret"}) as lab:
        before = dict(lab._state.pids)
        wanted = {"positions": {"h1": (10, 20.5)}, "spread": 2, "reschedule": True}
        said = lab.apply(pair(**wanted), dry_run=True)
        assert str(said).splitlines() == [
            "+ setting positions h1 (10, 20.5)",
            "+ setting spread 2",
            "+ setting reschedule true",
        ]
        assert not lab.positions
        lab.apply(pair(**wanted))
        assert lab.positions == {"h1": (10, 20.5)}
        assert (lab._state.spread, lab._state.reschedule) == (2, True)
        assert not lab.apply(pair(users={"anna": "secret"}))
        with pytest.raises(TopologyError, match="its users and their passwords stay while it runs"):
            lab.apply(pair(users={"bert": "secret"}))
        assert lab._state.pids == before
