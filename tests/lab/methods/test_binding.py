"""`Lab` is a table of functions, and looks like any other class."""

from __future__ import annotations

import inspect

import pytest

from playground import Host, Lab
from playground.lab import methods


def borrowed() -> list[str]:
    """Return the methods of `Lab` that are functions of other modules."""
    return [
        name
        for name, item in vars(Lab).items()
        if inspect.isfunction(item) and item.__module__.startswith(methods.__name__)
    ]


@pytest.mark.parametrize("name", borrowed())
def test_a_method_is_called_by_its_class_and_says_what_it_does(name: str) -> None:
    method = getattr(Lab, name)
    assert method.__qualname__ == f"Lab.{name}"
    assert name.startswith("_") or inspect.getdoc(method)
    assert next(iter(inspect.signature(method).parameters)) == "lab"


def test_help_shows_the_whole_signature_and_the_example() -> None:
    assert {"explain", "start", "stop", "machine"} <= set(borrowed())
    parameters = inspect.signature(Lab(Host("h1"), quiet=True).explain).parameters
    assert list(parameters) == ["source", "target", "port", "protocol", "version"]
    assert ">>> lab.explain(h1, www, port=80)" in (inspect.getdoc(Lab.explain) or "")


def test_what_a_lab_was_told_can_be_told_anew_until_it_starts() -> None:
    lab = Lab(Host("h1"), name="first", quiet=True)
    assert (lab.name, lab.keep, lab.converge, lab.strict, lab.ipv6) == (
        "first",
        False,
        True,
        True,
        False,
    )
    lab.keep = True
    lab.name = "second"
    assert lab.keep
    assert lab.plan().lab == "second"
