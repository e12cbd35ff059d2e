"""One look at what passes: counters of interfaces, TCP's view of its connections."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from playground.agent.watching.samples import sample
from tests.support_agent import Namespaces, apart, end, needs_root


def looked(h: Namespaces) -> dict[str, Any]:
    found = apart(sample, [end(h.pid, "e0"), end(h.pid, "lo")], [h.pid])
    assert isinstance(found, dict)
    return found


@needs_root
def test_what_was_sent_between_two_looks_is_counted(wired: Namespaces) -> None:
    before = looked(wired)
    with wired.network(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind(("e0", 0))
        sender.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5" + bytes(86))
    after = looked(wired)
    assert after["time_s"] > before["time_s"]
    (old, _), (new, _) = before["interfaces"], after["interfaces"]
    assert new["tx_packets"] - old["tx_packets"] == 1
    assert new["tx_bytes"] - old["tx_bytes"] == 100
    assert (new["queue_packets"], new["queue_bytes"]) == (0, 0)


@needs_root
def test_a_connection_is_seen_from_both_sides(wired: Namespaces) -> None:
    with contextlib.ExitStack() as stack:
        with wired.network():
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = server.getsockname()[1]
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        taken, _ = server.accept()
        stack.enter_context(taken)
        own_port = client.getsockname()[1]
        client.sendall(b"hello")
        assert taken.recv(10) == b"hello"
        [rows] = looked(wired)["connections"]
    by_source = {row["source_port"]: row for row in rows}
    sender = by_source[own_port]
    assert (sender["source"], sender["destination_port"], sender["state"]) == ("127.0.0.1", port, 1)
    assert sender["snd_cwnd"] > 0
    # Its SYN counts as a byte.
    assert sender["acked_bytes"] in (5, 6)
    assert set(by_source) == {port, sender["source_port"]}  # and not what listens
