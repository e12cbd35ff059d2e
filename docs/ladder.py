"""Draw docs/ladder.svg anew: the README's first network, and a page fetched in it.

scripts/setup .venv/bin/python docs/ladder.py

"""

from __future__ import annotations

from pathlib import Path

from playground import Host, Lab, Link, Router, Switch


def main() -> None:
    home = Switch("home", subnet="192.168.1.0/24")
    h1 = Host("h1")
    modem = Router("modem")
    www = Host("www.example.com", services=["http"])
    for node in (modem, h1):
        Link(home, node)
    uplink = Link(modem, www, subnet="203.0.113.0/24")
    modem.masquerade(uplink)

    with Lab(home, name="ladder", quiet=True) as lab:
        for node in (h1, modem, www):
            node.run("ip neighbour flush all")
        with lab.capture(filter="arp or tcp port 80") as packets:
            h1.run("curl -s http://www.example.com/")
        print(packets.ladder().save(Path(__file__).with_name("ladder.svg")))


if __name__ == "__main__":
    main()
