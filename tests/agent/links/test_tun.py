"""Interfaces by /dev/net/tun: gone with their program, or kept for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from playground.agent.links.interfaces import index_or_none
from playground.agent.links.netlink import Netlink
from playground.agent.links.tun import IFF_TUN, make_lasting_tun, open_tun
from tests.support_agent import Namespaces, apart, needs_root

pytestmark = [
    needs_root,
    pytest.mark.skipif(
        not Path("/dev/net/tun").exists() and os.environ.get("CI") != "true",
        reason="there is no /dev/net/tun",
    ),
]


def both(pid: int) -> list[bool]:
    Netlink(pid)
    device = open_tun("t1", IFF_TUN)
    there = [index_or_none("t1") is not None]
    os.close(device)
    there.append(index_or_none("t1") is not None)
    make_lasting_tun("t2")
    return [*there, index_or_none("t2") is not None]


def test_one_goes_with_its_program_and_one_stays() -> None:
    with Namespaces("h1") as h1:
        assert apart(both, h1.pid) == [True, False, True]
