"""Every service stopped and started again, beside the others of its host."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from playground import BadArgument, Host, Lab, Link, Switch
from playground.engines.seam import Engine
from playground.model.services.table import SERVICES

# In the groups of the miniature Internet, whose images are there anyway.
HOSTS = {
    "ns": ["dns"],
    "ftp": ["ftp", "telnet"],
    "mail": ["smtp", "pop", "imap"],
    "www": ["ssh", "http"],
}


@pytest.fixture(scope="module")
def lab(engine: Engine, keep_lab: Callable[[str], None]) -> Iterator[Lab]:
    lan = Switch("lan")
    for name, services in HOSTS.items():
        Link(lan, Host(name, services=services))
    Link(lan, Host("h1"))
    with Lab(lan, name="control", quiet=True) as lab:
        keep_lab(lab.id)
        yield lab


def open_ports(address: str, ports: list[int]) -> dict[int, bool]:
    """For each TCP port: whether it accepts a connection."""
    found = {}
    for port in ports:
        try:
            socket.create_connection((address, port), timeout=2).close()
            found[port] = True
        except OSError:
            found[port] = False
    return found


def answers(lab: Lab, name: str, service: str) -> dict[int, bool]:
    """For each TCP port of a service: whether a connection from h1 is accepted."""
    address = lab.node(name).address
    assert address is not None
    ports = [port.number for port in SERVICES[service].ports if port.protocol == "tcp"]
    return lab.node("h1").call(open_ports, address, ports)


@pytest.mark.parametrize(
    ("name", "service"),
    [(name, service) for name, services in HOSTS.items() for service in services],
    ids=lambda word: word,
)
def test_a_service_stops_and_starts_beside_the_others(lab: Lab, name: str, service: str) -> None:
    services = lab.node(name).services
    assert {other: services[other].running for other in services} == dict.fromkeys(
        HOSTS[name], True
    )
    assert set(answers(lab, name, service).values()) == {True}
    services[service].stop()
    assert set(answers(lab, name, service).values()) == {False}
    for other in services:
        assert services[other].running is (other != service)
        if other != service:
            assert set(answers(lab, name, other).values()) == {True}
    services[service].start()
    assert services[service].status() == "running"
    assert set(answers(lab, name, service).values()) == {True}
    assert isinstance(services[service].log(), str)
    with pytest.raises(BadArgument, match="lines='x' is no whole number"):
        services[service].log(lines="x")
