"""A poller that runs beside a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from playground.agent.ports.polling import READ, Poller
from tests.agent.ports.running import Running


@pytest.fixture
def running() -> Iterator[Running]:
    """A poller in a thread of its own, which does what it is asked."""
    made = Running(Poller())
    made.poller.watch(made.wake, READ, made.woken)
    thread = threading.Thread(target=made.poller.run)
    thread.start()
    yield made
    made.do(made.poller.stop)
    thread.join(10)
    made.close()
