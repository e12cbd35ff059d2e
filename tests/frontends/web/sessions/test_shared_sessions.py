"""Sessions of a server: each server has its own, and they can be ended at once."""

from __future__ import annotations

from playground.frontends.web.sessions.shared_sessions import Sessions


def test_each_server_has_its_own() -> None:
    assert Sessions().terminals is not Sessions().terminals
    Sessions().close()
