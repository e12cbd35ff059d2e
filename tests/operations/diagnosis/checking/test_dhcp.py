"""Who offers addresses on a network."""

from __future__ import annotations

import pytest

from playground import DHCP, CheckFailed, Host, Lab, Link, Switch
from playground.engines.seam import Engine
from playground.errors import BadArgument


def test_the_server_alone_and_one_too_many(engine: Engine) -> None:
    home = Switch("home", subnet="10.5.0.0/24")
    server, h1, other = Host("server", services=[DHCP()]), Host("h1"), Host("other")
    Link(home, server)
    Link(home, h1, address="dhcp")
    Link(home, other)
    with Lab(home, quiet=True, engine=engine) as lab:
        before = h1.run("ip -4 address show dev eth0 | grep inet").stdout
        found = lab.check.dhcp_server(h1, server)
        assert found is not None
        assert found.startswith("10.5.0.")
        lab.check.dhcp_server("other", str(server.address))
        with pytest.raises(CheckFailed, match=f"h1 should offer other .*{server.address} did"):
            lab.check.dhcp_server(other, h1, within_s=2)
        with pytest.raises(CheckFailed, match="nobody should offer other an address"):
            lab.check.dhcp_server(other, None)
        with pytest.raises(BadArgument, match="h1 has no interface eth9; it has eth0"):
            lab.check.dhcp_server(h1, server, interface="eth9")
        # Nothing was taken by asking.
        assert h1.run("ip -4 address show dev eth0 | grep inet").stdout == before
