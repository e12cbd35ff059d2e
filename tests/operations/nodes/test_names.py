"""Edits of a hosts file's text; the live file is tested in test_operations.py."""

from __future__ import annotations

import pytest

from playground.errors import BadArgument
from playground.operations.connection.name_queries import hosts_entries
from playground.operations.nodes.names import _is_host_name, with_entry, without_name

HOSTS = """\
127.0.0.1\tlocalhost
# printers
192.168.1.50\tprinter  Printer2 p3  # in the hall
10.0.0.1 www www.example.com
fd00::1 www
not-an-address
"""


def test_entries_are_addresses_and_names_without_comments() -> None:
    assert list(hosts_entries(HOSTS)) == [
        ("127.0.0.1", ["localhost"]),
        ("192.168.1.50", ["printer", "Printer2", "p3"]),
        ("10.0.0.1", ["www", "www.example.com"]),
        ("fd00::1", ["www"]),
    ]


@pytest.mark.parametrize(
    ("text", "name", "address", "after"),
    [
        pytest.param("", "a", "10.0.0.1", "10.0.0.1\ta\n", id="empty"),
        pytest.param(
            "10.0.0.2 b", "a", "10.0.0.1", "10.0.0.2 b\n10.0.0.1\ta\n", id="no-last-newline"
        ),
        pytest.param("10.0.0.2 a\n", "A", "10.0.0.1", "10.0.0.1\tA\n", id="any-case"),
        pytest.param(
            "10.0.0.2 a b\n", "a", "10.0.0.1", "10.0.0.2\tb\n10.0.0.1\ta\n", id="others-stay"
        ),
        pytest.param(
            "10.0.0.2 a\nfd00::2 a\n",
            "a",
            "fd00::1",
            "10.0.0.2 a\nfd00::1\ta\n",
            id="other-family-stays",
        ),
        pytest.param(
            "10.0.0.2 a # why\n", "a", "10.0.0.1", "# why\n10.0.0.1\ta\n", id="comment-stays"
        ),
        pytest.param("", "a", "FD00:0::1", "fd00::1\ta\n", id="canonical"),
    ],
)
def test_a_name_gets_an_address(text: str, name: str, address: str, after: str) -> None:
    assert with_entry(text, name, address) == after


def test_a_name_goes_from_every_line() -> None:
    after = without_name(HOSTS, "www")
    assert after == HOSTS.replace(
        "10.0.0.1 www www.example.com", "10.0.0.1\twww.example.com"
    ).replace("fd00::1 www\n", "")
    assert without_name(HOSTS, "PRINTER2").splitlines()[2] == (
        "192.168.1.50\tprinter p3 # in the hall"
    )
    assert without_name(HOSTS, "nobody") == HOSTS


@pytest.mark.parametrize("address", ["10.0.0", "www", "", "10.0.0.1/24"])
def test_an_address_is_an_address(address: str) -> None:
    with pytest.raises(BadArgument, match="is no IP address: write it as"):
        with_entry("", "a", address)


@pytest.mark.parametrize("name", ["", "two words", "a#b", "new\nline"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(BadArgument, match="is no name for /etc/hosts"):
        with_entry("", name, "10.0.0.1")


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("h1", True),
        ("h1.example.com", True),
        ("3com", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("a..b", False),
        ("-a", False),
        ("a-", False),
        ("a_b", False),
        ("h\N{LATIN SMALL LETTER O WITH DIAERESIS}", False),
    ],
)
def test_host_names(name: str, good: bool) -> None:
    assert _is_host_name(name) is good
