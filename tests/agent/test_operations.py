"""The table of operations, beside the protocol that tells of them."""

from __future__ import annotations

import inspect
import re

import pytest

import playground.agent
from playground.agent.operations import OPS, WORK


def test_an_operation_is_done_in_one_place_only() -> None:
    assert not set(OPS) & set(WORK)


@pytest.mark.parametrize("name", WORK)
def test_what_an_operation_takes_stands_in_the_protocol(name: str) -> None:
    protocol = playground.agent.__doc__ or ""
    [said] = re.findall(rf"^(?:.*; )?{name}\((.*?)\)\s+->", protocol, re.MULTILINE | re.DOTALL)
    for parameter in inspect.signature(WORK[name]).parameters:
        assert re.search(rf"\b{parameter}\b", said), f"{name} takes {parameter}"
