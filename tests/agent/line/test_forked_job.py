"""Jobs that are work of the agent's own, through those that there are."""

from __future__ import annotations

import pytest

from playground.errors import AgentError
from playground.operations.connection.client import Client
from tests.support_agent import Namespaces, needs_root


@needs_root
def test_a_job_that_cannot_begin_is_an_error_and_leaves_nothing(
    agent: Client, pair: tuple[Namespaces, Namespaces]
) -> None:
    with pytest.raises(AgentError, match="No such device"):
        agent.start_job("capture", places=[{"pid": pair[0].pid, "interface": "no_such"}])
    job = agent.start_job("happenings", nodes=[{"pid": pair[0].pid}])
    assert b'"interface": "lo"' in job.read_stdout(10)
    job.signal(9)
    assert job.wait(10) == -9
