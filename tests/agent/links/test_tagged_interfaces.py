"""Interfaces whose frames carry a tag: made in either way, and removed."""

from __future__ import annotations

import socket

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from playground.agent.links import tagged_interfaces
from playground.agent.links.interfaces import index_or_none, interface_index, set_link
from playground.agent.links.netlink import Netlink
from playground.agent.links.tagged_interfaces import hidden_name, make_tagged, remove_tagged
from tests.support_agent import Namespaces, needs_root, read_message


@needs_root
@pytest.mark.parametrize("without", [False, True], ids=["the kernel's own", "programs"])
def test_what_leaves_such_an_interface_has_its_tag(
    wired: Namespaces, monkeypatch: pytest.MonkeyPatch, without: bool
) -> None:
    monkeypatch.setattr(tagged_interfaces, "WITHOUT_KERNELS_OWN", without)
    with wired.network():
        netlink = Netlink(None)
        for _ in range(2):  # one that is there already stays
            make_tagged(netlink, "e0.10", "e0", 10, offload=False)
        netlink.send([set_link("e0.10", up=True)])
        receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        receiver.bind(("e1", 3))
        receiver.settimeout(5)
        receiver.setsockopt(263, 8, 1)  # PACKET_AUXDATA
        with receiver, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            sender.bind(("e0.10", 0))
            sender.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(50))
            while True:
                data, extra, _, _ = receiver.recvmsg(200, 100)
                if b"\x88\xb5" in data[:18]:
                    break
        # struct tpacket_auxdata: a tag stands there, not in the frame.
        [auxiliary] = [value for level, kind, value in extra if (level, kind) == (263, 8)]
        assert int.from_bytes(auxiliary[16:18], "little") == 10
        hidden = hidden_name(interface_index("e0"), 10)
        for _ in range(2):  # one that is gone already is no error
            remove_tagged(netlink, "e0.10", "e0", 10)
        assert index_or_none("e0.10") is None
        assert index_or_none(hidden) is None
        netlink.close()


@needs_root
def test_an_interface_upon_one_that_there_is_not(wired: Namespaces) -> None:
    with wired.network():
        netlink = Netlink(None)
        with pytest.raises(OSError, match="there is no interface none"):
            make_tagged(netlink, "none.10", "none", 10, offload=False)
        netlink.close()


@pytest.mark.parametrize(("qinq", "protocol"), [(False, None), (True, 0x88A8)])
def test_a_providers_tags_are_of_a_kind_of_their_own(
    monkeypatch: pytest.MonkeyPatch, qinq: bool, protocol: int | None
) -> None:
    monkeypatch.setattr(tagged_interfaces, "interface_index", lambda name: 3)
    message = read_message(ifinfmsg, tagged_interfaces.new_vlan("eth0.10", "eth0", 10, qinq))
    data = message.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA")
    assert data.get_attr("IFLA_VLAN_ID") == 10
    assert data.get_attr("IFLA_VLAN_PROTOCOL") == protocol
