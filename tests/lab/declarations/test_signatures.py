"""Signatures of the API: each argument has a type in a file."""

import pytest

from playground.lab.declarations.signatures import (
    CLASSES,
    Argument,
    constructor_arguments,
    method_arguments,
)
from playground.lab.declarations.told import METHODS


@pytest.mark.parametrize("kind", CLASSES)
def test_each_argument_has_a_type_in_a_file(kind: str) -> None:
    """A new type of an annotation is a row of the table."""
    assert [one for one in constructor_arguments(kind).values() if not one.types] == []


@pytest.mark.parametrize(
    ("kind", "method"), [(kind, method) for kind in METHODS for method in METHODS[kind]]
)
def test_each_argument_of_a_method_has_a_type_in_a_file(kind: str, method: str) -> None:
    assert [one for one in method_arguments(kind, method).values() if not one.types] == []


def test_arguments_of_containers_and_rules_are_unpacked() -> None:
    assert "image" in constructor_arguments("host")
    assert "source_port" in method_arguments("host", "firewall.drop")


def test_links_and_nodes_are_known_by_their_annotation() -> None:
    known = method_arguments("router", "forward")
    assert known["link"].names_links and not known["link"].is_text_too
    assert known["to"].names_nodes
    assert method_arguments("host", "firewall.drop")["interface"].is_text_too


def test_members_of_a_union_are_told_from_what_is_in_their_brackets() -> None:
    shape = "int | Sequence[str | None] | None"
    assert Argument("x", shape).types == ("integer", "array", "null")
    assert Argument("x", "Any").types == ()
