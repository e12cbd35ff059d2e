"""Settings of switches, as data and as commands."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.switches import PLAIN, MirrorPlan, SwitchSettings
from playground.operations.network import Switch


def test_times_are_hundredths_of_a_second_in_the_kernel() -> None:
    request = SwitchSettings(ageing_s=1.5, stp=True, forward_delay_s=4).request()
    assert (request["ageing"], request["forward_delay"]) == (150, 400)


def test_addresses_are_forgotten_soon_where_the_tree_may_change() -> None:
    assert PLAIN.remembers_s == 300
    assert SwitchSettings(stp=True, forward_delay_s=4).remembers_s == 8
    assert SwitchSettings(stp=True, ageing_s=60).remembers_s == 60


def test_a_hub_remembers_nothing() -> None:
    assert SwitchSettings(hub=True).request()["ageing"] == 0


def test_without_stp_a_port_waits_for_nothing() -> None:
    assert PLAIN.request()["forward_delay"] == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ageing_s": 0}, "from 1 to 86,400"),
        ({"ageing_s": True}, "from 1 to 86,400"),
        ({"forward_delay_s": 1}, "from 2 to 30"),
        ({"priority": 5000}, "write 4096"),
        ({"priority": 70_000}, "from 0 to 61,440"),
        ({"stp": 1}, "neither True nor False"),
        ({"stp": True, "hub": True}, "knows of no spanning tree"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, int], words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        SwitchSettings(**settings)  # type: ignore[arg-type]


def test_the_commands_do_the_same() -> None:
    assert SwitchSettings(stp=True, priority=4096).as_shell("s1") == (
        "ip link set dev s1 type bridge stp_state 1 ageing_time 400 priority 4096 "
        "forward_delay 200 hello_time 100 max_age 600"
    )
    assert list(MirrorPlan("ear", ("a", "b"), ("a",)).as_shell()) == [
        "tc qdisc add dev a clsact",
        "tc qdisc add dev b clsact",
        "tc filter add dev a ingress matchall action mirred egress mirror dev ear",
        "tc filter add dev b ingress matchall action mirred egress mirror dev ear",
        "tc filter add dev a egress matchall action mirred egress mirror dev ear",
    ]


def test_a_switch_shows_what_makes_it_no_plain_one() -> None:
    assert repr(Switch("s1", stp=True, priority=0)) == "Switch('s1', stp=True, priority=0)"
    assert repr(Switch("home")) == "Switch('home')"
