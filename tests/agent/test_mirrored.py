"""Each module of the agent has tests of its own, at the same path."""

from __future__ import annotations

from pathlib import Path

import playground.agent

AGENT = Path(playground.agent.__file__).parent
TESTS = Path(__file__).parent


def test_each_module_of_the_agent_has_tests_of_its_own() -> None:
    modules = [path.relative_to(AGENT) for path in AGENT.rglob("*.py")]
    wanted = [path.with_name(f"test_{path.name}") for path in modules if path.stem != "__init__"]
    assert [str(path) for path in wanted if not (TESTS / path).is_file()] == []
