"""Programs on nodes of hostile roots: none holds the library, or fills its memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground.errors import NotReady
from playground.operations.connection.client import Client
from playground.operations.connection.program_outputs import output_of
from tests.support_agent import Namespaces, connect, needs_root

pytestmark = needs_root


@pytest.fixture(scope="module")
def agent() -> Iterator[Client]:
    with connect(network=False) as client:
        yield client


@pytest.fixture(scope="module")
def node() -> Iterator[Namespaces]:
    with Namespaces("h1") as namespaces:
        yield namespaces


def test_what_a_program_prints_is_returned(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["echo", "text"])
    assert output_of(process, "echo", 20, "look") == b"text\n"


def test_one_that_does_not_end_is_named(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["sleep", "600"])
    with pytest.raises(NotReady, match=r"ip on r1 did not end within 0\.2 s: is it the image's\?"):
        output_of(process, "ip on r1", 0.2, "is it the image's?")


def test_one_that_prints_without_end_is_named(agent: Client, node: Namespaces) -> None:
    process = agent.spawn(node.pid, ["cat", "/dev/zero"])
    with pytest.raises(NotReady, match=r"ip on r1 printed more than 8 MiB, which it never does"):
        output_of(process, "ip on r1", 20, "is it the image's?")
