"""The register of published ports: found by its agents, and by nobody else."""

from __future__ import annotations

import secrets
import threading

import pytest

from playground.agent.ports.polling import Poller
from playground.agent.ports.register import Register, open_register, published, unpublish


def test_a_carrier_tells_of_itself_until_it_is_ended() -> None:
    key = secrets.token_hex(8)
    row = {"key": key, "port": 80, "told": "whatever"}
    poller = Poller()
    with open_register(key) as opened:
        with pytest.raises(OSError, match="in use"):
            open_register(key)
        register = Register(poller, opened, row)
        thread = threading.Thread(target=poller.run)
        thread.start()
        assert row in published()
        assert row in published()
        ending = threading.Thread(target=unpublish, args=[[key, "another"]])
        ending.start()
        thread.join(10)
        assert not thread.is_alive()
        assert ending.is_alive()
        register.close()
        ending.join(10)
        assert not ending.is_alive()
    poller.close()


def test_what_has_ended_is_no_error() -> None:
    unpublish([secrets.token_hex(8)])
