"""Forms come of the signatures of declarations, and take what people type as YAML."""

from __future__ import annotations

import pytest

from playground import BadArgument
from playground.frontends.web.editing.form_fields import Field, fields_of, shown, typed
from playground.lab.declarations.signatures import constructor_arguments
from playground.model.containers.reaching_out import REACHING_OUT

TEXT = Field("services", "text", True)
BY_NAME = {field.name: field for kind in ("host", "link") for field in fields_of(kind)}


@pytest.mark.parametrize("kind", ["host", "router", "switch", "link"])
def test_every_argument_but_those_that_reach_out_has_a_field(kind: str) -> None:
    names = [field.name for field in fields_of(kind)]
    assert len(set(names)) == len(names)
    left_out = set(constructor_arguments(kind)) - set(names)
    assert left_out <= {*REACHING_OUT, "links", "ready"}


def test_a_label_has_its_unit() -> None:
    assert Field("mtu_bytes", "count", False).label == "mtu (bytes)"
    assert Field("as_number", "count", False).label == "as number"


@pytest.mark.parametrize(
    ("field", "value", "argument"),
    [
        (TEXT, "[http, ssh]", ["http", "ssh"]),
        (TEXT, "http", "http"),
        (TEXT, "", None),
        (Field("stp", "check", True), False, None),
        (Field("stp", "check", True), True, True),
        (Field("vlan", "count", True), 10.0, 10),
        (Field("vlan", "count", True), None, None),
    ],
)
def test_what_is_typed_becomes_an_argument(field: Field, value: object, argument: object) -> None:
    assert typed(field, value) == argument
    if field.kind == "text" and argument is not None:
        assert typed(field, shown(argument)) == argument


@pytest.mark.parametrize(
    ("name", "value", "argument"),
    [
        ("services", "http, ssh", ["http", "ssh"]),
        ("services", "http", ["http"]),
        ("services", "[http, {dns: {}}]", ["http", {"dns": {}}]),
        ("trunk", "10, 20", [10, 20]),
        ("trunk", "true", True),
        ("env", "LANG=C, OPTIONS=a=b", {"LANG": "C", "OPTIONS": "a=b"}),
        ("sysctls", "{net.ipv4.tcp_ecn: 1}", {"net.ipv4.tcp_ecn": 1}),
    ],
)
def test_a_list_and_a_mapping_need_no_brackets(name: str, value: str, argument: object) -> None:
    assert typed(BY_NAME[name], value) == argument


def test_who_says_no_pair_is_told_the_form_of_one() -> None:
    with pytest.raises(BadArgument, match=r"'novalue'.*write LANG=C"):
        typed(BY_NAME["env"], "novalue")


def test_every_example_is_what_its_field_takes() -> None:
    for field in BY_NAME.values():
        value = typed(field, field.example) if field.kind == "text" else None
        wanted = {"list": list, "mapping": dict}.get(field.shape)
        assert wanted is None or isinstance(value, wanted), field


def test_what_is_no_value_is_told_with_its_label() -> None:
    with pytest.raises(BadArgument, match="services"):
        typed(TEXT, "[http")
    with pytest.raises(BadArgument, match="no whole number"):
        typed(Field("vlan", "count", True), 1.5)


def test_a_mapping_is_shown_as_it_is_typed() -> None:
    assert typed(TEXT, shown({"a": [1, 2], "b": True})) == {"a": [1, 2], "b": True}
