"""VRFs: the messages that make them, as pyroute2 reads them."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Sequence
from typing import Any, cast

import pytest
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from playground.agent.links import vrfs
from playground.agent.links.netlink import Message, Netlink
from tests.support_agent import Namespaces, apart, needs_root, read_message


class Line:
    """A line to a kernel that takes everything, or answers with one error."""

    def __init__(self, number: int = 0) -> None:
        self.sent: list[Message] = []
        self.number = number
        self.links: list[bytes] = []

    def attempt(self, messages: Sequence[Message]) -> list[tuple[Message, int, str]]:
        self.sent += messages
        return [(message, self.number, "") for message in messages]

    def ask(self, message: Message) -> list[bytes]:
        return self.links

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += messages


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(vrfs, "index_or_none", lambda name: None)
    monkeypatch.setattr(vrfs, "quiet_ipv6", lambda name: None)
    return Line()


def test_a_vrf_is_an_interface_with_a_table() -> None:
    read = read_message(ifinfmsg, vrfs.new_vrf("blue", 70000))
    information = read.get_attr("IFLA_LINKINFO")
    assert (read.get_attr("IFLA_IFNAME"), information.get_attr("IFLA_INFO_KIND")) == ("blue", "vrf")
    assert dict(information.get_attr("IFLA_INFO_DATA")["attrs"]) == {"IFLA_VRF_TABLE": 70000}


def test_its_table_ends_and_own_addresses_are_looked_up_later(line: Line) -> None:
    vrfs.make_vrfs(cast(Netlink, line), [{"name": "blue", "table": 1001}])
    purposes = [message.purpose for message in line.sent]
    assert purposes[:2] == ["make the VRF blue", "set the interface blue up"]
    end: Any = read_message(rtmsg, line.sent[2])
    assert (end["type"], end.get_attr("RTA_TABLE"), end["dst_len"]) == (7, 1001, 0)
    rules = [read_message(fibmsg, message) for message in line.sent[4:]]
    assert [(rule["table"], rule.get_attr("FRA_PRIORITY")) for rule in rules] == [
        (255, 32765),
        (255, 0),
    ] * 2


def test_nothing_is_told_where_there_are_none(line: Line) -> None:
    vrfs.make_vrfs(cast(Netlink, line), [])
    vrfs.remove_vrfs(cast(Netlink, line), [])
    assert line.sent == []


def test_what_is_gone_already_is_no_error(line: Line) -> None:
    line.number = errno.ENODEV
    with pytest.raises(OSError, match="table 1001"):  # its routes are another matter
        vrfs.remove_vrfs(cast(Netlink, line), [{"name": "blue", "table": 1001}])
    assert line.sent[0].purpose == "remove the interface blue"


def test_an_interface_is_put_into_a_vrf_and_out_again(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vrfs, "interface_index", lambda name: 7)
    vrfs.put_into_vrf(cast(Netlink, line), "eth0", "blue")
    vrfs.put_into_vrf(cast(Netlink, line), "eth0", None)
    masters = [read_message(ifinfmsg, message).get_attr("IFLA_MASTER") for message in line.sent]
    assert masters == [7, 0]


@needs_root
def test_own_addresses_are_looked_up_first_again_once_the_last_vrf_is_gone() -> None:
    with Namespaces("r1") as router:
        usual = shown_rules(router)
        apart(move_rules, router.pid)
        assert "32765:\tfrom all lookup local" in shown_rules(router)[0]
        apart(remove_blue, router.pid)
        assert shown_rules(router) == usual


def test_they_are_not_while_there_is_another_vrf(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vrfs, "interface_kind", lambda answer: "vrf")
    line.links = [b""]
    vrfs.remove_vrfs(cast(Netlink, line), [{"name": "blue", "table": 1001}])
    assert not [message for message in line.sent if "own addresses" in message.purpose]


def move_rules(pid: int) -> None:
    """As make_vrfs does it, which a kernel without VRFs cannot."""
    vrfs._move_local_rule(Netlink(pid), 0, vrfs.LOCAL_PRIORITY)


def remove_blue(pid: int) -> None:
    vrfs.remove_vrfs(Netlink(pid), [{"name": "blue", "table": 1001}])


def shown_rules(router: Namespaces) -> list[list[str]]:
    """The rules of both families, as ip(8) shows them."""
    with router.network():
        return [
            subprocess.run(
                ["ip", family, "rule"], capture_output=True, text=True, check=True
            ).stdout.splitlines()
            for family in ("-4", "-6")
        ]
