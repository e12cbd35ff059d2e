"""NAT rulesets: their text, and whether nft takes it where it is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from ipaddress import ip_address

import pytest

from playground.firewall import PortForward, nat_ruleset
from playground.planning import make_plan
from playground.topology import Host, Link, Router, Switch

WEB = PortForward("eth0", (ip_address("10.9.0.1"),), "tcp", 8080, ip_address("192.168.1.2"), 80)
FTP = PortForward("wan", (ip_address("10.9.0.1"), ip_address("10.9.0.2")), "tcp", 21, WEB.to, 2121)
DNS = PortForward("eth0", WEB.addresses, "udp", 53, WEB.to, 53)


def test_masquerade() -> None:
    assert nat_ruleset(["eth0"]) == (
        """\
table inet playground
delete table inet playground
table inet playground {
	ct helper ftp {
		type "ftp" protocol tcp;
	}

	chain helpers {
		type filter hook prerouting priority filter; policy accept;
		tcp dport 21 ct helper set "ftp"
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "eth0" meta nfproto ipv4 masquerade
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "eth0" ct state established,related accept
		iifname "eth0" drop
	}
}
"""
    )


@pytest.mark.parametrize(
    ("uplinks", "forwards", "rule"),
    [
        (["eth0", "wan"], [], 'oifname { "eth0", "wan" } meta nfproto ipv4 masquerade'),
        (["eth0", "wan"], [], 'iifname { "eth0", "wan" } drop'),
        (
            ["eth0"],
            [WEB],
            'iifname "eth0" ip daddr 10.9.0.1 tcp dport 8080 dnat ip to 192.168.1.2:80',
        ),
        (
            ["eth0"],
            [WEB],
            'iifname != "eth0" ip daddr 10.9.0.1 tcp dport 8080 meta mark set 0x70670001 '
            "dnat ip to 192.168.1.2:80",
        ),
        (["eth0"], [WEB], "meta mark 0x70670001 masquerade"),
        (["eth0"], [WEB], 'iifname "eth0" ct status dnat accept'),
        (["eth0"], [DNS], "udp dport 53 dnat ip to 192.168.1.2:53"),
        (["wan"], [FTP], "ip daddr { 10.9.0.1, 10.9.0.2 } tcp dport 21"),
        (["wan"], [FTP], 'tcp dport { 21, 2121 } ct helper set "ftp"'),
    ],
    ids=str,
)
def test_rules(uplinks: list[str], forwards: list[PortForward], rule: str) -> None:
    assert rule in nat_ruleset(uplinks, forwards)


@pytest.mark.skipif(
    os.environ.get("CI") != "true"
    and (os.geteuid() != 0 or shutil.which("nft") is None or shutil.which("unshare") is None),
    reason="needs root, nft and unshare; a lab's helper has them, and the tests there use them",
)
@pytest.mark.parametrize(
    ("uplinks", "forwards"),
    [(["eth0"], []), (["eth0", "wan-1.5_x"], [WEB, DNS]), (["wan"], [FTP])],
    ids=["masquerade", "two uplinks", "ftp"],
)
def test_nft_takes_it_and_loading_it_again_replaces_it(
    uplinks: list[str], forwards: list[PortForward]
) -> None:
    ruleset = nat_ruleset(uplinks, forwards)
    shell = "nft -f - && nft list ruleset > /dev/null"
    for text in (ruleset, ruleset + ruleset):
        done = subprocess.run(
            ["unshare", "-n", "sh", "-c", shell],
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, "")


# -- from declarations ------------------------------------------------------


def test_only_masquerading_routers_have_a_ruleset() -> None:
    modem, isp, h1 = Router("modem"), Router("isp"), Host("h1")
    Link(modem, h1)
    modem.masquerade(Link(modem, isp, names=("wan", None)))
    plan = make_plan([modem])
    assert plan.node("modem").ruleset == nat_ruleset(["wan"])
    assert (plan.node("isp").ruleset, plan.node("h1").ruleset) == ("", "")


def test_a_forward_is_written_with_addresses() -> None:
    home, modem, isp, h1 = Switch("home"), Router("modem"), Router("isp"), Host("h1")
    Link(home, modem, address="192.168.1.1/24")
    Link(home, h1, address="192.168.1.2")
    uplink = Link(isp, modem, addresses=("10.25.1.1/32", "10.25.1.65/16"))
    modem.masquerade(uplink)
    modem.forward(uplink, port=8080, to=(h1, 80))
    wanted = PortForward("eth1", (ip_address("10.25.1.65"),), "tcp", 8080, WEB.to, 80)
    assert make_plan([home]).node("modem").ruleset == nat_ruleset(["eth1"], [wanted])


def test_a_forward_goes_to_the_hosts_address_inside() -> None:
    modem, isp, h1 = Router("modem"), Router("isp"), Host("h1")
    uplink = Link(modem, isp)
    Link(isp, h1)
    Link(modem, h1)
    modem.masquerade(uplink)
    modem.forward(uplink, port=8080, to=h1)
    assert "dnat ip to 10.0.3.2:8080" in make_plan([modem]).node("modem").ruleset
