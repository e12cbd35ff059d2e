"""What wg(8) is told of each end of a tunnel."""

from __future__ import annotations

from playground.model.links.tunnel import Tunnel
from playground.model.topology import Host, Link, Router
from playground.planning.links.wireguard import wireguard_texts
from playground.planning.planner import make_plan


def keys(node: str, interface: str) -> tuple[str, str]:
    return f"private-{node}-{interface}", f"public-{node}-{interface}"


def test_each_end_has_its_own_key_and_the_others_public_one() -> None:
    a, b = Host("a"), Host("b")
    Link(a, b, subnet="10.0.0.0/24")
    Tunnel(a, b, kind="wireguard")
    plan = make_plan([a])
    [(name, text)] = wireguard_texts(plan, plan.node("a"), keys)
    assert (name, text.splitlines()) == (
        "wg0",
        [
            "[Interface]",
            "PrivateKey = private-a-wg0",
            "ListenPort = 51820",
            "[Peer]",
            "PublicKey = public-b-wg0",
            "AllowedIPs = 0.0.0.0/0, ::/0",
            "Endpoint = 10.0.0.2:51820",
        ],
    )


def test_who_is_behind_a_nat_keeps_the_way_open_and_the_other_knows_no_endpoint() -> None:
    home, modem, server = Host("home"), Router("modem"), Host("server")
    Link(home, modem)
    modem.masquerade(Link(modem, server))
    Tunnel(server, home, kind="wireguard")
    plan = make_plan([home])
    [(_, at_home)] = wireguard_texts(plan, plan.node("home"), keys)
    [(_, at_server)] = wireguard_texts(plan, plan.node("server"), keys)
    assert "PersistentKeepalive = 25" in at_home and "Endpoint" in at_home
    assert "PersistentKeepalive" not in at_server and "Endpoint" not in at_server


def test_several_tunnels_of_a_node_have_ports_of_their_own() -> None:
    hub, one, other = Host("hub"), Host("one"), Host("other")
    for node in (one, other):
        Link(hub, node)
        Tunnel(hub, node, kind="wireguard")
    plan = make_plan([hub])
    texts = [text for _, text in wireguard_texts(plan, plan.node("hub"), keys)]
    assert ["ListenPort = 51820" in texts[0], "ListenPort = 51821" in texts[1]] == [True, True]
