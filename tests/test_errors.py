"""Errors are one tree, and say what happened in words."""

from __future__ import annotations

import inspect

import pytest

import playground
from playground import errors
from playground.errors import CommandFailed, ImageError, LabWarning, NoSuchNode, PlaygroundError
from playground.operations.connection.command_results import Result

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__ and not getattr(kind, "_is_protocol", False)
]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_is_a_playground_error_and_drawn_in_the_tree(kind: type) -> None:
    assert issubclass(kind, PlaygroundError if kind is not LabWarning else UserWarning)
    assert kind.__name__ in (errors.__doc__ or "")


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_can_be_imported_from_the_top(kind: type) -> None:
    assert getattr(playground, kind.__name__) is kind
    assert kind.__name__ in playground.__all__


def test_a_notebook_shows_the_users_lines_and_the_sentence_alone() -> None:
    cell = compile("lab = None\nplayground.Host('a b')", "/tmp/ipykernel_1/2.py", "exec")
    with pytest.raises(PlaygroundError) as caught:
        exec(cell, {"playground": playground})
    here, in_the_cell, sentence = caught.value._render_traceback_()
    assert here.startswith(f'File "{__file__}", line ')
    assert in_the_cell.startswith("In a cell, line 2\n")
    assert sentence.startswith("TopologyError: host 'a b': that is no host name")


def test_a_failed_command_shows_the_end_of_what_it_printed() -> None:
    printed = "".join(f"line {number}\n" for number in range(1, 31))
    error = CommandFailed("h1: `ip` ended with 1", Result("ip", 1, printed, "no\n"))
    assert str(error).splitlines()[:3] == [
        "h1: `ip` ended with 1",
        "  stdout (10 lines before left out):",
        "    line 11",
    ]
    assert str(error).endswith("  stderr:\n    no")


def test_an_image_error_without_a_log_is_its_sentence_alone() -> None:
    assert str(ImageError("no base")) == "no base"


def test_a_missing_node_is_a_key_error_without_quotes_around_its_sentence() -> None:
    assert isinstance(NoSuchNode("x"), KeyError)
    assert str(NoSuchNode("there is no machine 'x'")) == "there is no machine 'x'"
