"""Each argument of a host stays within its lab, or is known to reach out of it."""

from __future__ import annotations

import pytest

from playground.frontends.web.editing.form_fields import fields_of
from playground.lab.declarations.signatures import constructor_arguments
from playground.model.containers.own_service import Service
from playground.model.containers.reaching_out import OF_IMAGES, REACHING_OUT, WITHIN, reached


@pytest.mark.parametrize("kind", ["host", "router"])
def test_each_argument_of_a_machine_is_in_one_of_both(kind: str) -> None:
    known = set(constructor_arguments(kind))
    assert known <= WITHIN | set(REACHING_OUT)
    assert WITHIN.isdisjoint(REACHING_OUT)
    assert set(OF_IMAGES) <= set(REACHING_OUT)


@pytest.mark.parametrize("kind", ["host", "router", "switch", "link"])
def test_no_form_asks_for_what_reaches_out(kind: str) -> None:
    assert {field.name for field in fields_of(kind)}.isdisjoint(REACHING_OUT)


def test_packages_of_a_service_are_packages() -> None:
    scanner = Service("scanner", command="nmap", packages=["nmap"])
    assert set(reached({"services": ["http", scanner]})) == {"packages"}
    assert reached({"services": ["http"], "cap_add": (), "env": {"A": "b"}}) == {}
