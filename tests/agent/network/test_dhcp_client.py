"""A DHCP client's states (RFC 2131, figure 5), against a server that says what it is told to."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

import pytest

from playground.agent.links.netlink import Netlink
from playground.agent.network import dhcp_client
from playground.agent.network.addresses import delete_address, has_address, new_address
from playground.agent.network.dhcp_client import DhcpClient, NodeGone, apply_lease, keep_lease
from playground.agent.network.dhcp_messages import (
    DHCP_ACK,
    DHCP_DECLINE,
    DHCP_DISCOVER,
    DHCP_LEASE,
    DHCP_MASK,
    DHCP_NAK,
    DHCP_OFFER,
    DHCP_REQUEST,
    DHCP_REQUESTED,
    DHCP_ROUTER,
    DHCP_SERVER,
)
from playground.agent.network.routes import routes
from tests.dhcp_server import Options, serving
from tests.support_agent import Namespaces, needs_root

SERVER = socket.inet_aton("10.0.0.1")
GIVEN: Options = [
    (DHCP_SERVER, SERVER),
    (DHCP_MASK, b"\xff\xff\xff\0"),
    (DHCP_ROUTER, SERVER),
    (DHCP_LEASE, (120).to_bytes(4, "big")),
]


def obliging(kind: int, options: dict[int, bytes]) -> tuple[int, str, Options] | None:
    if kind == DHCP_DISCOVER:
        return DHCP_OFFER, "10.0.0.9", GIVEN
    if kind == DHCP_REQUEST:
        wanted = options.get(DHCP_REQUESTED, bytes([10, 0, 0, 9]))
        return DHCP_ACK, socket.inet_ntoa(wanted), GIVEN
    return None


def refusing(kind: int, options: dict[int, bytes]) -> tuple[int, str, Options]:
    return DHCP_NAK, "0.0.0.0", [(DHCP_SERVER, SERVER)]


def silent(kind: int, options: dict[int, bytes]) -> None:
    return None


LEASE = {
    "address": "10.0.0.9/24",
    "router": "10.0.0.1",
    "nameservers": [],
    "domain": None,
    "server": "10.0.0.1",
    "lease_s": 120.0,
}


@needs_root
def test_a_lease_is_discovered_offered_and_requested(wired: Namespaces) -> None:
    with wired.network(), serving("e1", obliging) as heard:
        found = DhcpClient("e0", "h1").ask(time.monotonic() + 5)
    assert found == LEASE
    assert heard == [DHCP_DISCOVER, DHCP_REQUEST]


@needs_root
def test_nobody_answers(wired: Namespaces) -> None:
    with wired.network(), serving("e1", silent) as heard:
        assert DhcpClient("e0", None).ask(time.monotonic() + 0.1) is None
    assert heard == [DHCP_DISCOVER]


@needs_root
def test_an_address_that_another_has_is_declined(wired: Namespaces) -> None:
    def offers(kind: int, options: dict[int, bytes]) -> tuple[int, str, Options] | None:
        said = obliging(kind, options)
        return said and (said[0], "10.0.0.1", said[2])

    with wired.network(), serving("e1", offers) as heard:
        netlink = Netlink(None)
        index = socket.if_nametoindex("e1")
        netlink.send([new_address("e1", index, "10.0.0.1/24")])
        found = DhcpClient("e0", None).ask(time.monotonic() + 0.3)
        netlink.send([delete_address("e1", index, "10.0.0.1/24")])
        netlink.close()
    assert found is None
    assert heard == [DHCP_DISCOVER, DHCP_REQUEST, DHCP_DECLINE]


@needs_root
@pytest.mark.parametrize("state", ["ask_for", "rebind"])
@pytest.mark.parametrize(
    ("says", "expected"),
    [(obliging, (True, LEASE)), (refusing, (True, None)), (silent, (False, None))],
    ids=["holds", "refused", "silent"],
)
def test_what_becomes_of_a_lease_of_before(
    wired: Namespaces, state: str, says: Any, expected: Any
) -> None:
    with wired.network(), serving("e1", says) as heard:
        client = DhcpClient("e0", None)
        if state == "rebind":
            assert client.rebind(LEASE, 0.2) == expected
        else:
            assert client.ask_for(LEASE, time.monotonic() + 0.2) == expected
    assert set(heard) == {DHCP_REQUEST}


@needs_root
def test_who_asks_for_a_node_that_ends_gives_up(wired: Namespaces) -> None:
    reader, writer = os.pipe()
    with wired.network(), pytest.raises(NodeGone):
        os.write(writer, b"x")
        DhcpClient("e0", None, watch=reader).ask(time.monotonic() + 5)
    os.close(reader)
    os.close(writer)


@needs_root
@pytest.mark.parametrize("gateway", [True, False])
def test_an_interface_gets_what_a_lease_says_and_loses_it(wired: Namespaces, gateway: bool) -> None:
    with wired.network():
        netlink = Netlink(None)
        client = DhcpClient("e0", None)
        apply_lease(netlink, client, None, LEASE, gateway)
        assert has_address(netlink, client.index, "10.0.0.9/24")
        [rows] = routes([wired.pid])
        ways = [row["via"] for row in rows if row["destination"] == "0.0.0.0/0"]
        assert ways == (["10.0.0.1"] if gateway else [])
        apply_lease(netlink, client, LEASE, {**LEASE, "address": "10.0.0.8/24"}, gateway)
        assert not has_address(netlink, client.index, "10.0.0.9/24")
        apply_lease(netlink, client, {**LEASE, "address": "10.0.0.8/24"}, None, gateway)
        assert not has_address(netlink, client.index, "10.0.0.8/24")
        netlink.close()


@needs_root
def test_a_lease_is_renewed_rebound_and_given_up_once_it_has_run_out(wired: Namespaces) -> None:
    """A lease of a second that no server renews: its address goes, and a new one is asked for."""
    short = {**LEASE, "lease_s": 0.4, "router": None}
    reader, writer = os.pipe()
    with wired.network():
        netlink = Netlink(None)
        client = DhcpClient("e0", None, watch=reader)
        apply_lease(netlink, client, None, short, False)
        with serving("e1", silent) as heard:

            def end_once_it_asks_anew() -> None:
                deadline = time.monotonic() + 10
                while DHCP_DISCOVER not in heard and time.monotonic() < deadline:
                    time.sleep(0.01)
                os.write(writer, b"x")

            watcher = threading.Thread(target=end_once_it_asks_anew)
            watcher.start()
            with pytest.raises(NodeGone):
                keep_lease(netlink, client, short, {})
            watcher.join()
        assert not has_address(netlink, client.index, "10.0.0.9/24")
        netlink.close()
    os.close(reader)
    os.close(writer)
    assert heard[-1] == DHCP_DISCOVER
    assert DHCP_REQUEST in heard


@needs_root
def test_a_lease_whose_address_was_taken_away_is_kept_no_longer(wired: Namespaces) -> None:
    with wired.network(), serving("e1", obliging) as heard:
        netlink = Netlink(None)
        keep_lease(netlink, DhcpClient("e0", None), {**LEASE, "lease_s": 0.1}, {})
        netlink.close()
    assert heard == []


@needs_root
def test_servers_that_start_with_the_lab_are_waited_for(
    wired: Namespaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dhcp_client, "DHCP_SERVER_UP_S", 0.05)
    assert dhcp_client.lease([], 1.0, servers=[wired.pid]) == []
