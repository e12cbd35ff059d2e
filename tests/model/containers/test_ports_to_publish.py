"""Ports to be published, and the URLs that they get."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument
from playground.model.containers.container import PublishedPort
from playground.model.containers.own_service import Service
from playground.model.containers.ports_to_publish import (
    overlap,
    port_to_publish,
    published_url,
    service_scheme,
)


@pytest.mark.parametrize(
    ("wanted", "scheme", "url"),
    [
        (PublishedPort(80), None, "http://127.0.0.1:4711/"),
        (PublishedPort(443), None, "https://127.0.0.1:4711/"),
        (PublishedPort(22), None, "ssh://127.0.0.1:4711"),
        (PublishedPort(5432), None, "tcp://127.0.0.1:4711"),
        (PublishedPort(53, "udp"), None, "udp://127.0.0.1:4711"),
        (PublishedPort(9000), "http", "http://127.0.0.1:4711/"),
        (PublishedPort(80, local_address="0.0.0.0"), None, "http://127.0.0.1:4711/"),
        (PublishedPort(80, local_address="::"), None, "http://[::1]:4711/"),
        (PublishedPort(80, local_address="192.0.2.1"), None, "http://192.0.2.1:4711/"),
    ],
    ids=repr,
)
def test_the_url_of_a_published_port(wanted: PublishedPort, scheme: str | None, url: str) -> None:
    assert published_url(wanted, 4711, scheme) == url


@pytest.mark.parametrize("scheme", ["java script:", "", 5])
def test_a_scheme_that_begins_no_url_is_refused(scheme: object) -> None:
    with pytest.raises(BadArgument, match="begins no URL"):
        published_url(PublishedPort(80), 4711, scheme)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"port": 0}, "no port"),
        ({"port": True}, "no port"),
        ({"port": "8080:80"}, "no port"),
        ({"port": "80/sctp"}, "no port"),
        ({"port": "\N{SUPERSCRIPT TWO}"}, "no port"),
        ({"port": None}, "no port"),
        ({"port": 80, "local_port": 70000}, "no port of this machine"),
        ({"port": 80, "listen": "everywhere"}, "no address of this machine"),
        ({"port": 80, "listen": 0}, "no address of this machine"),
    ],
    ids=repr,
)
def test_what_cannot_be_published_is_refused_in_words(
    arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(BadArgument, match=words):
        port_to_publish(**arguments)


@pytest.mark.parametrize(
    ("wanted", "scheme"),
    [
        (PublishedPort(9000), "http"),
        (PublishedPort(9001), "https"),
        (PublishedPort(9002), None),
        (PublishedPort(9000, "udp"), None),
        (PublishedPort(5432), None),
    ],
    ids=repr,
)
def test_a_service_that_answers_requests_is_published_as_a_page(
    wanted: PublishedPort, scheme: str | None
) -> None:
    services = [
        Service("page", "serve", port=9000, ready="http"),
        Service("safe", "serve", port=9001, ready="http", tls=True),
        Service("bare", "serve", port=9002),
        Service("silent", "serve"),
    ]
    assert service_scheme(services, wanted) == scheme


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (None, None, True),
        ("0.0.0.0", None, True),
        ("0.0.0.0", "::1", False),
        ("::", None, True),
        ("::", "0.0.0.0", True),
        ("127.0.0.2", None, False),
        ("::1", None, False),
    ],
)
def test_one_port_of_this_machine_is_had_once(
    one: str | None, other: str | None, both: bool
) -> None:
    a, b = PublishedPort(80, "tcp", 8080, one), PublishedPort(81, "tcp", 8080, other)
    assert overlap(a, b) is overlap(b, a) is both
    assert not overlap(a, PublishedPort(81, "udp", 8080, other))
    assert not overlap(a, PublishedPort(81, "tcp", 8081, other))
    assert not overlap(PublishedPort(80), PublishedPort(80))


@pytest.mark.parametrize("port", [0, {8080: 80}, "8.8.8.8:8181:80", True], ids=repr)
def test_what_is_no_port_of_a_host_is_told_with_the_words_for_the_rest(port: object) -> None:
    with pytest.raises(BadArgument, match=r'no port of a host; write 80.*local_port=.*listen="'):
        port_to_publish(port)  # type: ignore[arg-type]
