"""Ports on which somebody should listen, or nobody."""

from __future__ import annotations

import pytest

from playground import CheckFailed, Lab
from playground.errors import BadArgument


def test_who_listens_and_who_does_not(lab: Lab) -> None:
    lab.check.listens("ns", 53, "udp")
    lab.check.listens("ns", 53)
    lab.check.does_not_listen("h1", 53, within_s=0)
    with pytest.raises(CheckFailed, match=r"h1 should listen on tcp port 80, and does not: it"):
        lab.check.listens("h1", 80, within_s=0)
    with pytest.raises(CheckFailed, match="ns should not listen on udp port 53, and does"):
        lab.check.does_not_listen("ns", 53, "udp", within_s=0)


@pytest.mark.parametrize(("port", "protocol"), [(0, "tcp"), ("http", "tcp"), (80, "sctp")])
def test_what_is_no_port_is_refused(lab: Lab, port: int, protocol: str) -> None:
    with pytest.raises(BadArgument, match="is no port; write for example"):
        lab.check.listens("ns", port, protocol)
