"""Ready labs about IPv6 do what their pictures say."""

from __future__ import annotations

from playground.engines.seam import Engine
from playground.examples import dual_stack_campus
from tests.facts import assert_can_ping, get_page


def test_each_host_of_the_campus_has_its_addresses_in_its_own_way(engine: Engine) -> None:
    with dual_stack_campus(quiet=True) as lab:
        said = {
            name: lab[name].run("ip address show dev eth0 scope global").stdout
            for name in ("pc", "laptop", "desk")
        }
        assert "2001:db8:8:1:" in said["pc"]
        assert "ff:fe" in said["pc"]
        assert "stable-privacy" in said["laptop"]
        assert "temporary" in said["laptop"]
        assert "2001:db8:8:2::100/128" in said["desk"]
        assert all("inet 10.8." in text for text in said.values())
        for name in ("pc", "laptop", "desk"):
            assert "2001:db8:8:3::53" in lab[name].nameservers
            assert get_page(lab[name], "http://www.campus.example/")[0] == 200
            assert get_page(lab[name], "http://[2001:db8:8:3::80]/")[0] == 200
        assert_can_ping(lab["desk"], str(lab["pc"].interfaces["eth0"].addresses[1].ip))
