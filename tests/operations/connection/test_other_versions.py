"""An agent of another version."""

from __future__ import annotations

import pytest

from playground.errors import AgentError
from playground.operations.connection.other_versions import misunderstood
from tests.support_agent import connect


def test_an_operation_that_an_agent_does_not_know_is_of_another_version() -> None:
    with connect() as agent:
        for op, arguments in (("happenings2", {}), ("echo", {"what": 1}), ("echo", {})):
            with pytest.raises(AgentError, match=f"knows no {op} as .* by another version"):
                agent.call(op, **arguments)
        assert agent.call("echo", value=5) == 5


def test_any_other_error_is_told_as_it_is() -> None:
    for error in (
        {"type": "LookupError", "message": "there is no job 5"},
        {"type": "TypeError", "message": "a request is an object with id, op and args"},
        {"type": "OSError", "message": "there is no operation 'x'"},
    ):
        assert misunderstood("echo", error) is None
