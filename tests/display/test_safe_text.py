"""Shown text has no effect on the terminal or the page that shows it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import playground
from playground import errors
from playground.display.safe_text import visible
from playground.display.tables import Table, html_table
from playground.errors import CommandFailed, PlaygroundError
from playground.operations.captures.tcp_streams import Stream
from playground.operations.connection.command_results import Result
from playground.operations.diagnosis.all_pairs import PingAll, PingedPair
from playground.operations.diagnosis.evidence.explanation import Explanation, Step
from playground.operations.measurements.rtt_under_load import RttUnderLoad
from playground.operations.nodes.ping import Hop, Ping, Traceroute
from tests.facts import HOSTILE, has_effect


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext, é, 日本,\nand lines\r\n", "plain\ttext, é, 日本,\nand lines\r\n"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x07\x00\x7f\x9b", r"\x07\x00\x7f\x9b"),
        ("over\rwritten", r"over\rwritten"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\u200b\ufeff\U000e0041\udc9b", r"\u200b\ufeff\U000e0041\udc9b"),
    ],
)
def test_control_characters_are_seen_and_have_no_effect(text: str, shown: str) -> None:
    assert visible(text) == shown


@dataclass(frozen=True)
class Row:
    name: str
    names: tuple[str, ...]


ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PlaygroundError)
]


def made(kind: type[PlaygroundError]) -> PlaygroundError:
    if issubclass(kind, CommandFailed):
        return kind(HOSTILE, Result(HOSTILE, 1, HOSTILE, HOSTILE))
    if kind in (errors.ImageError, errors.NodeDied):
        return kind(HOSTILE, HOSTILE)  # type: ignore[call-arg]
    return kind(HOSTILE)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_errors(kind: type[PlaygroundError]) -> None:
    error = made(kind)
    assert not has_effect(str(error))
    assert not has_effect("".join(error._render_traceback_()))
    assert r"\x1b[2J" in str(error)
    assert error.args[0] == HOSTILE


RESULT = Result(HOSTILE, 1, HOSTILE, HOSTILE)
STREAM = Stream(1, HOSTILE, "a", "b", 1, 1, 0, b"", b"", ((True, HOSTILE.encode()),))
EXPLANATION = Explanation(
    *(HOSTILE,) * 5, path=(HOSTILE,), path_back=(), steps=Table([Step(HOSTILE, HOSTILE, HOSTILE)])
)
ALL_PAIRS = PingAll(("h1", "h2"), Table([PingedPair("h1", "h2", HOSTILE, 1, 0, None, HOSTILE)]))
SILENT = Ping(HOSTILE, 1, 0, problem=HOSTILE)
UNDER_LOAD = RttUnderLoad(HOSTILE, HOSTILE, SILENT, SILENT, 1, 1, 1)
RENDERINGS: dict[str, Callable[[], str]] = {
    "table": lambda: repr(Table([Row(HOSTILE, (HOSTILE,))])),
    "table's HTML": Table([Row(HOSTILE, (HOSTILE,))])._repr_html_,
    "caption": lambda: html_table([{"a": 1}], HOSTILE),
    "caption of nothing": lambda: html_table([], HOSTILE),
    "result": lambda: str(RESULT),
    "result's repr": lambda: repr(RESULT),
    "result's HTML": RESULT._repr_html_,
    "ping": lambda: repr(Ping(HOSTILE, 1, 0, problem=HOSTILE)),
    "ping's HTML": Ping(HOSTILE, 1, 1, problem=HOSTILE)._repr_html_,
    "all pairs": lambda: repr(ALL_PAIRS),
    "all pairs' HTML": lambda: ALL_PAIRS._repr_html_(),
    "under load": lambda: repr(UNDER_LOAD),
    "under load, as HTML": lambda: UNDER_LOAD._repr_html_(),
    "traceroute": lambda: repr(Traceroute(HOSTILE, (Hop(HOSTILE, 1, HOSTILE),), False)),
    "traceroute's HTML": Traceroute(HOSTILE, (Hop(HOSTILE, 1, HOSTILE),), False)._repr_html_,
    "explanation": lambda: repr(EXPLANATION),
    "explanation's HTML": EXPLANATION._repr_html_,
    "stream": lambda: str(STREAM),
}


# All that shows itself in a notebook: above, in test_hostile.py, or of declared names alone.
HTML = {
    "Table", "Tabular", "Result", "Ping", "Traceroute", "Explanation",
    "Services", "Packets", "PingAll", "RttUnderLoad", "TerminalLink", "PublishedAddress",
    "WebPage",
}  # fmt: skip


def test_whatever_shows_itself_in_html_is_known_here() -> None:
    folder = Path(playground.__file__).parent
    found = {
        defined.name
        for path in folder.rglob("*.py")
        for defined in ast.walk(ast.parse(path.read_text()))
        if isinstance(defined, ast.ClassDef)
        and any(
            isinstance(part, ast.FunctionDef) and part.name == "_repr_html_"
            for part in defined.body
        )
    }
    assert found == HTML


@pytest.mark.parametrize("name", RENDERINGS)
def test_renderings(name: str) -> None:
    assert not has_effect(RENDERINGS[name]())


def test_what_is_returned_is_as_it_was() -> None:
    assert RESULT.stdout == HOSTILE
    assert RESULT.rows[0]["stderr"] == HOSTILE
    assert Table([Row(HOSTILE, ())]).rows == [{"name": HOSTILE, "names": []}]
