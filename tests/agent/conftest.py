"""Agents and nodes for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, cable, connect


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """An agent with an empty network namespace of its own."""
    monkeypatch.setenv("PLAYGROUND_STATE", str(tmp_path / "state" / "state.json"))
    with connect() as client:
        yield client


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Namespaces, Namespaces]]:
    """Two nodes for tests that put nothing in their networks."""
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        yield h1, h2


@pytest.fixture
def nodes() -> Iterator[tuple[Namespaces, Namespaces]]:
    """Two fresh nodes."""
    with Namespaces("h1") as h1, Namespaces("h2") as h2:
        yield h1, h2


@pytest.fixture(scope="module")
def wired() -> Iterator[Namespaces]:
    """A node in which both ends of a cable are, e0 and e1."""
    with Namespaces("h1") as h:
        cable(h)
        yield h
