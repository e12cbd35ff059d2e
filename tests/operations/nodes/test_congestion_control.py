"""TCP of a host follows the congestion control that it is told, before the start and live."""

from __future__ import annotations

import pytest

from playground.engines.seam import Engine
from playground.errors import EngineError, TopologyError
from playground.lab.lab import Lab
from playground.model.kernel.features import FEATURES
from playground.operations.network import Host, Link
from tests.second_kernel import lacking

# Says by which congestion control a connection of its own goes (tcp(7), TCP_CONGESTION).
ASK = """
import socket
line = socket.socket()
print(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\\0").decode())
"""


@pytest.mark.second_kernel
def test_each_host_has_its_own(engine: Engine) -> None:
    h1, h2 = Host("h1", congestion_control="reno"), Host("h2")
    Link(h1, h2)
    with Lab(h1, name="queues-tcp", quiet=True) as lab:
        others = h2.congestion_control
        assert h1.congestion_control == "reno"
        assert h1.python(ASK).stdout.strip() == "reno"
        for name in ("bbr", "dctcp"):
            if name in lacking():
                before = dict(h1.own_sysctls)
                with pytest.raises(EngineError, match=f"tcp_{name}|machine alone"):
                    h1.congestion_control = name
                assert h1.own_sysctls == before
            else:
                h1.congestion_control = name
                assert h1.python(ASK).stdout.strip() == name
                assert f"sysctl -qw net.ipv4.tcp_congestion_control={name}" in lab.as_shell()
        assert h2.congestion_control == others
        with pytest.raises(TopologyError, match="is not known"):
            h1.congestion_control = "tahoe"


@pytest.mark.second_kernel
def test_one_that_the_kernel_does_not_give_is_refused_before_anything_is_made() -> None:
    missing = sorted({"cubic", "vegas", "dctcp"} & lacking())
    if not missing:
        assert FEATURES["cubic"].module == "tcp_cubic"
        return
    h1, h2 = Host("h1", congestion_control=missing[0]), Host("h2")
    Link(h1, h2)
    with pytest.raises(EngineError, match="congestion control of h1 cannot be made"):
        Lab(h1, engine="namespaces", name="queues-none", quiet=True).start()
