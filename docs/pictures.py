"""Draw docs/pictures/ anew: the labs of `examples`; nothing is started.

scripts/setup --for-tests .venv/bin/python docs/pictures.py

"""

from __future__ import annotations

from pathlib import Path

from playground import Lab, examples

PICTURES = {
    "miniature-internet": examples.miniature_internet,
    "coffee-shop": examples.coffee_shop,
    "ospf-rings": examples.ospf_rings,
    "autonomous-systems": examples.autonomous_systems,
    "multi-area-ospf": examples.multi_area_ospf,
    "customers-and-peers": examples.customers_and_peers,
    "data-centre": examples.data_centre,
    "vrrp-pair": examples.vrrp_pair,
    "multicast-tree": examples.multicast_tree,
    "site-to-site": examples.site_to_site,
    "dual-stack-campus": examples.dual_stack_campus,
    "dns-from-the-root": examples.dns_from_the_root,
    "anycast-dns": examples.anycast_dns,
    "balanced-site": examples.balanced_site,
    "carrier-grade-nat": examples.carrier_grade_nat,
    "bufferbloat": examples.bufferbloat,
    "office-vlans": examples.office_vlans,
    "small-office": examples.small_office,
}


def main() -> None:
    folder = Path(__file__).with_name("pictures")
    folder.mkdir(exist_ok=True)
    for name, make in PICTURES.items():
        lab: Lab = make(quiet=True)
        lab.picture(folder / f"{name}.svg")
        print(folder / f"{name}.svg")


if __name__ == "__main__":
    main()
