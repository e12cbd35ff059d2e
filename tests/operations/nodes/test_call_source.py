"""Functions taken apart, put together by a python3 of their own, and called there.

The other python3 is this machine's, so that no engine is needed; what a
node adds is tested in test_operations.py.

"""

from __future__ import annotations

import json
import os.path
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path as SomePath
from typing import Any

import pytest

from playground.errors import BadArgument
from playground.operations.nodes import call, call_remote
from playground.operations.nodes.call_source import Shipment

ANSWER = 42
NAMES = {"www": [80, 443]}
ELSEWHERE = Decimal("1.5")


class Own:
    pass


OWN = Own()


def crossing(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function in another python3, as a node does."""
    shipment = Shipment()
    request = {
        "kind": "call",
        "start": shipment.item(function, "f()"),
        "args": [shipment.item(value, "an argument") for value in args],
        "kwargs": {name: shipment.item(value, "an argument") for name, value in kwargs.items()},
        "functions": shipment.functions,
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", call._BOOTSTRAP],
        input=call._prelude(request),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    frames = []
    rest = done.stdout
    while rest:
        size = int.from_bytes(rest[1:5], "big")
        frames.append((rest[:1], rest[5 : 5 + size]))
        rest = rest[5 + size :]
    assert [letter for letter, _ in frames].count(b"r") == 1
    assert frames[-1][0] == b"r"
    outcome = json.loads(frames[-1][1])
    assert "error" not in outcome, outcome["traceback"]
    return call_remote.decode(outcome["value"])


def plain() -> int:
    return ANSWER


def twice(number: int) -> int:
    return 2 * number


def with_helper(number: int = ANSWER, *, extra: Any = ELSEWHERE) -> Any:
    return twice(number), extra


def recursive(number: int) -> int:
    return 1 if number < 2 else number * recursive(number - 1)


def even(number: int) -> bool:
    return number == 0 or odd(number - 1)


def odd(number: int) -> bool:
    return number != 0 and even(number - 1)


def with_modules() -> Any:
    return urllib.parse.quote("a b"), os.path.join("a", "b"), str(SomePath("/x"))


def with_annotations(own: Own | None = None, *args: Own, **kwargs: Own) -> Own | None:
    local: Own | None = own
    return local


def with_inner() -> Any:
    class Inner:
        value = ANSWER

        def double(self) -> int:
            return twice(self.value)

    return Inner().double(), [twice(n) for n in range(3)], NAMES["www"]


async def later(number: int) -> int:
    return twice(number)


def text_with_any_indentation() -> str:
    return """one
two
    three"""


def maker() -> tuple[Callable[[], Any], Callable[[int], int]]:
    base = 7
    text = "closed over"

    def inner() -> Any:
        return base, text, ANSWER

    def countdown(number: int) -> int:
        return base if number == 0 else countdown(number - 1)

    return inner, countdown


def map_over(function: Callable[[int], int], values: list[int]) -> list[int]:
    return [function(value) for value in values]


add = lambda a, b=ANSWER: a + b  # noqa: E731
FUNCTIONS = {"one": lambda: 1, "two": lambda: 2, "three": lambda x: (lambda: x + 3)()}


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        pytest.param(plain, (), 42, id="a-global-by-value"),
        pytest.param(with_helper, (), (84, Decimal("1.5")), id="defaults-and-a-helper"),
        pytest.param(recursive, (5,), 120, id="recursion"),
        pytest.param(even, (7,), False, id="mutual-recursion"),
        pytest.param(with_modules, (), ("a%20b", "a/b", "/x"), id="modules"),
        pytest.param(with_annotations, (), None, id="annotations-are-not-needed"),
        pytest.param(with_inner, (), (84, [0, 2, 4], [80, 443]), id="inner-class"),
        pytest.param(later, (4,), 8, id="async"),
        pytest.param(text_with_any_indentation, (), "one\ntwo\n    three", id="text"),
        pytest.param(maker()[0], (), (7, "closed over", 42), id="closure"),
        pytest.param(maker()[1], (3,), 7, id="closure-of-itself"),
        pytest.param(add, (1,), 43, id="lambda"),
        pytest.param(FUNCTIONS["two"], (), 2, id="one-lambda-of-several-on-a-line"),
        pytest.param(FUNCTIONS["three"], (1,), 4, id="lambda-in-a-lambda"),
        pytest.param(os.path.basename, ("/a/b",), "b", id="of-the-library"),
        pytest.param(socket.inet_aton, ("1.2.3.4",), b"\1\2\3\4", id="of-the-library-in-C"),
        pytest.param(sorted, ([2, 1],), [1, 2], id="builtin"),
        pytest.param(map_over, (twice, [1, 2]), [2, 4], id="function-as-an-argument"),
    ],
)
def test_a_function_crosses(
    function: Callable[..., Any], args: tuple[Any, ...], value: Any
) -> None:
    assert crossing(function, *args) == value


def uses_own_class() -> Any:
    return Own()


def uses_own_object() -> Any:
    return OWN


def changes_a_global() -> None:
    global ANSWER
    ANSWER = 1


def changes_around() -> Callable[[], int]:
    count = 0

    def change() -> int:
        nonlocal count
        count += 1
        return count

    return change


def uses_own_module() -> Any:
    return call.python


def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
    function.marked = True  # type: ignore[attr-defined]
    return function


@decorator
def decorated() -> int:
    return 1


namespace: dict[str, Any] = {}
exec("def without_source(): return 1", namespace)


class Methods:
    def method(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (uses_own_class, "'Own', which uses_own_class uses, is your own class Own, which the host"),
        (uses_own_object, "'OWN', which uses_own_object uses, cannot cross to a host: a value of"),
        (changes_a_global, "changes_a_global changes 'ANSWER' outside of itself"),
        (changes_around(), "change changes 'count' outside of itself"),
        (
            uses_own_module,
            "is your own module playground.operations.nodes.call, which the host does not have",
        ),
        (decorated, "decorated has a decorator, which cannot cross to a host"),
        (namespace["without_source"], "the source of without_source cannot be found"),
        (Methods().method, "is a method, and its object cannot cross: use a plain function"),
        (Own, "is your own class Own, which the host does not have"),
    ],
    ids=lambda value: getattr(value, "__name__", "")[:30],
)
def test_what_cannot_cross_is_refused_by_name(function: Any, sentence: str) -> None:
    with pytest.raises(BadArgument) as caught:
        Shipment().item(function, "the function")
    assert sentence in str(caught.value)


def test_only_the_lines_of_the_function_leave_this_machine() -> None:
    shipment = Shipment()
    shipment.item(with_helper, "f()")
    assert sorted(item["name"] for item in shipment.functions.values()) == ["twice", "with_helper"]
    text = json.dumps(shipment.functions)
    assert "class Own" not in text
    assert "return 2 * number" in text
