"""Folders of Kathara that we write; reading them back is in `test_read_back`."""

from playground import Host, Lab, Link, Router, Switch
from playground.lab.exports.to_kathara import kathara


def test_devices_and_domains_are_as_kathara_has_them() -> None:
    lan, far = Switch("lan"), Switch("far-end")
    r1, r2 = Router("R-1", routing="rip"), Router("r2", routing="rip")
    Link(lan, far), Link(lan, r1), Link(far, Host("h1")), Link(r1, r2, names=("wan", None))
    made = kathara(Lab(lan, name="x", quiet=True).plan())
    lines = made.files["lab.conf"].splitlines()
    assert made.text is None and lines[0] == 'LAB_NAME="x"'
    assert 'r_1[0]="lan"' in lines and 'h1[0]="lan"' in lines
    assert 'r_1[1]="L1"' in lines and 'r2[0]="L1"' in lines
    assert 'r_1[image]="kathara/frr"' in lines
    assert "dev eth1" in made.files["r_1.startup"] and "wan" not in made.files["r_1.startup"]
    assert made.files["r_1.startup"].endswith("systemctl start frr\n")
    assert "router rip" in made.files["r_1/etc/frr/frr.conf"]
    assert "R-1: the interface wan is called eth1 there" in made.notes
