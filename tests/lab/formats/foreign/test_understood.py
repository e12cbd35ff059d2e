"""How much of a script is declared."""

from playground.lab.formats.foreign.startup_script import ScriptLine, ScriptRoute
from playground.lab.formats.foreign.understood import Declaring, declared_addresses, declared_routes

ADDRESSES = {"eth0": ["10.0.0.1/24", "10.0.0.1/24"]}


def route(destination: str, via: str) -> ScriptRoute:
    return ScriptRoute(destination, via, None, ScriptLine(f"ip route add {destination} via {via}"))


def test_an_address_is_declared_once_or_left() -> None:
    assert declared_addresses(ADDRESSES, Declaring.ADDRESSES) == {"eth0": ["10.0.0.1/24"]}
    assert declared_addresses(ADDRESSES, Declaring.NOTHING) == {}


def test_a_route_is_declared_whose_gateway_is_near() -> None:
    near, far = route("0.0.0.0/0", "10.0.0.254"), route("10.9.0.0/16", "10.8.0.1")
    found, left = declared_routes([near, far, near], ADDRESSES, Declaring.ROUTES)
    assert (found, left) == ([near], [far.line, near.line])
    found, left = declared_routes([near], ADDRESSES, Declaring.ADDRESSES)
    assert (found, left) == ([], [near.line])


def test_a_route_by_an_interface_has_its_gateway_there() -> None:
    there = {"eth0": ["10.0.0.1/24"], "eth1": ["10.1.0.1/24"]}
    line = ScriptLine("route add default gw 10.0.0.254 eth1")
    for interface, is_declared in (("eth0", True), ("eth1", False), ("reject", False)):
        one = ScriptRoute("0.0.0.0/0", "10.0.0.254", interface, line)
        found, left = declared_routes([one], there, Declaring.ROUTES)
        assert (found, left) == (([one], []) if is_declared else ([], [line]))
