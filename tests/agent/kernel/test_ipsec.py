"""IPsec of this kernel, as ip(8) finds it."""

from __future__ import annotations

import subprocess

import pytest

from playground.agent.kernel.ipsec import has_ipsec
from tests import second_kernel
from tests.support_agent import Namespaces

_NEW = "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 7 mode transport aead"


def test_it_is_there_where_ip_can_make_an_association() -> None:
    with Namespaces() as node, node.network():
        cipher = ["rfc4106(gcm(aes))", "0x" + "01" * 20, "64"]
        done = subprocess.run(["ip", *_NEW.split(), *cipher], capture_output=True)
        assert has_ipsec() == (done.returncode == 0)


def test_nothing_is_left_of_the_trial() -> None:
    with Namespaces() as node, node.network():
        has_ipsec()
        assert subprocess.check_output(["ip", "xfrm", "state"]) == b""


@pytest.mark.second_kernel
def test_a_kernel_with_all_of_it_as_modules_loads_them() -> None:
    with Namespaces() as node, node.network():
        assert has_ipsec() or not second_kernel.HERE
