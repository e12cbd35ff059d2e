"""The garbage collector rests while packets are read, and goes on after."""

from __future__ import annotations

import gc

import pytest

from playground.operations.captures.collector import paused_collector


def test_the_collector_rests_within_and_goes_on_after() -> None:
    with paused_collector():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError), paused_collector():
        raise KeyError
    assert gc.isenabled()


def test_who_had_it_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with paused_collector():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
