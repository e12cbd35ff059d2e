"""Roots that nobody may write to; that they hold is tried with images, test_own_images.py."""

from __future__ import annotations

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import needs_root


@needs_root
def test_a_process_of_the_machine_keeps_its_root(agent: Client) -> None:
    with pytest.raises(AgentError):
        agent.call("read_only", pids=[1])
    agent.call("read_only", pids=[])
