"""Arguments at the door: what a value is, before anything is done with it.

Whether a value may be an argument is asked here and nowhere else: any value may come,
one that compares with nothing, is hashed by nothing, or cannot even be shown.  The
sentences that refuse it belong to those who know what it is for.

"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import reprlib
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from inspect import Parameter
from pathlib import Path
from types import FunctionType
from typing import Any, TypeGuard, TypeVar, cast

from playground.errors import BadArgument, PlaygroundError, WrongCall

# A hundred million seconds are three years, and no number of threading or socket overflows.
LONGEST_S = 1e8

Called = TypeVar("Called", bound=Callable[..., Any])
Class = TypeVar("Class", bound=type)

_MOST_ITEMS = 10_000

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 100
_short.maxlong = 40

# Of longer ones Python writes no digits: sys.set_int_max_str_digits, 4,300.
_MOST_BITS = 14_000


def shown(value: object) -> str:
    """Return a value as an error shows it: its repr, in one short line.

    >>> shown("a" * 10_000)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"

    """
    try:
        if isinstance(value, int) and value.bit_length() > _MOST_BITS:
            return f"<{type(value).__name__}>"
        return _short.repr(value)
    except Exception:  # whatever a repr of somebody else's raises
        return f"<{type(value).__name__}>"


def is_number(value: object, least: float, most: float) -> TypeGuard[float]:
    """Whether it is a number from ``least`` to ``most``: no bool, and not NaN."""
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    )


def is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    """Whether it is a whole number from ``least`` to ``most``: no bool, no 1.0."""
    return isinstance(value, int) and is_number(value, least, most)


def is_port(value: object) -> TypeGuard[int]:
    return is_whole(value, 1, 65535)


def is_choice(value: object, choices: Collection[str]) -> TypeGuard[str]:
    """Whether it is one of some words."""
    return isinstance(value, str) and value in choices


def is_list(value: object) -> TypeGuard[Collection[Any]]:
    """Whether it holds several things, in a list, a tuple or a set: text does not."""
    return isinstance(value, (list, tuple, set, frozenset))


def check_seconds(name: str, value: object, *, needed: bool = False) -> None:
    """Refuse what is no time: a number above zero, or, unless ``needed``, None for no limit."""
    if (needed or value is not None) and (not is_number(value, 0, LONGEST_S) or not value):
        raise BadArgument(
            f"{name}={shown(value)} is no number of seconds above zero; write for example {name}=5"
        )


def check_most(value: object) -> None:
    """Refuse a limit of rows that is no whole number above 0; None is no limit."""
    if value is not None and not is_whole(value, 1, 1 << 31):
        raise BadArgument(f"most={shown(value)} is no number of rows; write most=500")


def check_mapping(
    here: str, value: object, example: str, error: type[PlaygroundError] = BadArgument
) -> Mapping[Any, Any]:
    """Return a mapping; refuse all else with an example of what to write."""
    if not isinstance(value, Mapping):
        raise error(f"{here}={shown(value)} maps nothing to anything; write for example {example}")
    return value


def check_path(value: object, example: str) -> Path:
    """Return the path of a file here; refuse what can be none."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str) or not text or "\0" in text or not _can_be_named(text):
        raise BadArgument(f"{shown(value)} is no path: write for example {example}")
    return Path(text)


def _can_be_named(text: str) -> bool:
    """Whether a file here can have such a name: half a character is none (PEP 383)."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def check_text(here: str, value: object, error: type[PlaygroundError] = BadArgument) -> None:
    """Refuse text that no file can hold, also in what holds texts: half a character is none.

    Python's text can have one half of a pair of surrogates, UTF-8 cannot (RFC 3629 section 3).

    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise error(
                f"{here}: {shown(value)} holds half a character, which no file can; write a whole "
                "one, or leave it out"
            ) from None
    elif isinstance(value, Mapping):
        for item in value.values():  # names of files are bytes, which Linux knows no letters of
            check_text(here, item, error)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_text(here, item, error)


def check_several(
    here: str, value: object, error: type[PlaygroundError] = BadArgument
) -> tuple[Any, ...]:
    """Return the things that are one or several, as a tuple: None is none, a list holds some.

    An empty list is refused: it would mean "all" as None does, where whoever made it
    meant "none of them".

    """
    if value is None:
        return ()
    if not is_list(value):
        return (value,)
    if not value:
        raise error(
            f"{here}={shown(value)} is empty, and nothing fits it; leave it out where all shall fit"
        )
    return tuple(value)


def check_iterable(
    here: str, value: object, example: str, error: type[PlaygroundError] = BadArgument
) -> tuple[Any, ...]:
    """Return the items of a list or the like; refuse text, and what has no end.

    A network is one: 10.0.0.0/8 would be sixteen million addresses.

    """
    text = isinstance(value, (str, bytes, bytearray))
    if not text and isinstance(value, Iterable):
        found = tuple(itertools.islice(value, _MOST_ITEMS + 1))
        if len(found) <= _MOST_ITEMS:
            return found
    raise error(f"{here}={shown(value)} is no list; write for example {example}")


def check_flag(here: str, value: object, error: type[PlaygroundError] = BadArgument) -> bool:
    if not isinstance(value, bool):
        raise error(f"{here}={shown(value)} is neither True nor False; write one")
    return value


# -- calls that fit no function --------------------------------------------------------


def tells_wrong_calls(kind: Class) -> Class:
    """Let all public methods of a class and its subclasses refuse calls that do not fit them.

    Signatures, for `help`, `inspect`, mypy and editors, stay as they are.  A call that fits
    costs 0.1 microseconds more: arguments are looked at only after Python has refused them.

    """
    for name in dir(kind):
        if name.startswith("_") and name != "__init__":
            continue
        # What was put in front of an inherited method must not hide another base's own.
        owner = next(
            (one for one in kind.__mro__ if name in vars(one) and not _in_front(vars(one)[name])),
            object,
        )
        item = vars(owner)[name]
        called = kind.__name__ if name == "__init__" else f"{kind.__name__}.{name}"
        front = owner is not kind
        if isinstance(item, FunctionType):
            setattr(kind, name, _telling(called, item, 1, front))
        elif isinstance(item, classmethod):
            setattr(kind, name, classmethod(_telling(called, item.__func__, 1, front)))
        elif isinstance(item, staticmethod):
            setattr(kind, name, staticmethod(_telling(called, item.__func__, 0, front)))
        elif name == "__init__" and owner is kind and hasattr(item, "__get__"):
            setattr(kind, name, _Later(kind, item))
    if not hasattr(kind, "__getattr__"):
        kind.__getattr__ = _misspelt  # type: ignore[attr-defined]
    if not hasattr(kind.__init_subclass__, "_tells_wrong_calls"):

        def tell_too(subclass: type, /, **said: Any) -> None:
            super(kind, subclass).__init_subclass__(**said)  # type: ignore[arg-type]
            tells_wrong_calls(subclass)

        tell_too._tells_wrong_calls = "its own"  # type: ignore[attr-defined]
        kind.__init_subclass__ = classmethod(tell_too)  # type: ignore[assignment]
    return kind


def _misspelt(item: object, name: str) -> Any:
    """Raise the AttributeError of a name that an object has not, with one that it may be."""
    import difflib

    kind = type(item)
    if hasattr(kind, name):  # a property, whose own error this is
        return object.__getattribute__(item, name)
    sentence = f"{kind.__name__!r} object has no attribute {name!r}"
    if not name.startswith("_"):
        known = [one for one in {*dir(kind), *vars(item)} if not one.startswith("_")]
        near = difflib.get_close_matches(name, sorted(known), n=1)
        sentence += f": did you mean {near[0]}?" if near else ""
    raise AttributeError(sentence, name=name, obj=item)


class _Later:
    """Stands for an ``__init__`` that is not written yet, see `model.records`."""

    def __init__(self, kind: type, item: Any) -> None:
        self._kind = kind
        self._item = item

    def __get__(self, instance: object, owner: type) -> Any:
        kind: Any = self._kind
        kind.__init__ = _telling(kind.__name__, self._item.__get__(None, kind), 1)
        return vars(kind)["__init__"].__get__(instance, owner)


def _in_front(item: object) -> bool:
    return getattr(getattr(item, "__func__", item), "_tells_wrong_calls", None) == "in front"


def tells_wrong_call(function: Called) -> Called:
    """Let a function refuse a call that does not fit it in a sentence, with `WrongCall`.

    >>> @tells_wrong_call
    ... def ping(target, *, count=3): ...
    >>> ping("www", cuont=1)
    Traceback (most recent call last):
    playground.errors.WrongCall: ping() has no cuont=; did you mean count=?

    """
    return cast(Called, _telling(function.__name__, function, 0))


def _telling(
    called: str, function: Callable[..., Any], bound: int, front: bool = False
) -> Callable[..., Any]:
    """Wrap a function, of whose arguments by place the first ``bound`` are not the caller's.

    With ``front`` it is put in front of what a class inherits.

    """
    if hasattr(function, "_tells_wrong_calls"):
        return function

    @functools.wraps(function)
    def telling(*given: Any, **said: Any) -> Any:
        try:
            return function(*given, **said)
        except WrongCall:
            raise
        except TypeError:
            sentence = _misfit(called, function, bound, given, said)
            if not sentence:
                raise
        raise WrongCall(sentence)

    telling._tells_wrong_calls = "in front" if front else "its own"  # type: ignore[attr-defined]
    return telling


def _misfit(
    called: str,
    function: Callable[..., Any],
    bound: int,
    given: tuple[Any, ...],
    said: dict[str, Any],
) -> str:
    """Say why arguments do not fit a function; "" if they do, and the error is its own."""
    mine = list(inspect.signature(function).parameters.values())[bound:]
    given = given[bound:]
    either, named = Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY
    by_place = [one for one in mine if one.kind in (Parameter.POSITIONAL_ONLY, either)]
    by_name = [one.name for one in mine if one.kind in (either, named)]
    any_place = any(one.kind is one.VAR_POSITIONAL for one in mine)
    further = [one for one in mine if one.kind is one.VAR_KEYWORD]
    known = by_name + [name for one in further for name in _unpacked(one, function)]
    for name in said:
        if name not in known and (not further or len(known) > len(by_name)):
            elsewhere = _SAID_ELSEWHERE.get((called, name)) or _nearest(name, known)
            return f"{called}() has no {name}=; {elsewhere}"
    if len(given) > len(by_place) and not any_place:
        only_named = [f"{one.name}=" for one in mine if one.kind is named]
        takes = ", ".join(one.name for one in by_place) or "none"
        hint = f"; say by name what else you mean: {', '.join(only_named)}" if only_named else ""
        return f"{called}() takes by place only {takes}, and was given {len(given)}{hint}"
    placed = [one.name for one in by_place[: len(given)]]
    for name in placed:
        if name in said:
            return f"{called}() was given {name} twice, by place and as {name}=; leave one out"
    for one in mine:
        needed = one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
        if needed and one.name not in (*placed, *said):
            shown_name = f"{one.name}=" if one.kind is named else one.name
            return f"{called}() needs {shown_name} as well: write {_shape(called, mine)}"
    return ""


# What somebody may look for in a call, and is said in another way.
_SAID_ELSEWHERE = {
    **{
        ("Link", name): f"what a link does to frames is said of it: link.impair({name}=...)"
        for name in ("delay_ms", "jitter_ms", "loss_percent", "rate_mbit", "queue_packets")
    },
    ("Service", "restart"): "a service that ends is started again always; restart= of a host is "
    "about the program of its image",
}


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    # "loss" for loss_percent: the unit was left out.
    whole = [one for one in known if one.startswith(f"{name.lower()}_")]
    near = whole or difflib.get_close_matches(name.lower(), known, n=1)
    if near:
        return f"did you mean {near[0]}=?"
    return f"it has {', '.join(f'{one}=' for one in sorted(known))}" if known else "it takes none"


def _unpacked(parameter: Parameter, function: Callable[..., Any]) -> Collection[str]:
    """Return the keywords of ``**options: Unpack[Options]`` (PEP 692); () without such a type."""
    said = str(parameter.annotation)
    kind = vars(sys.modules[function.__module__]).get(
        said.removeprefix("Unpack[").removesuffix("]")
    )
    return getattr(kind, "__annotations__", ()) if said.startswith("Unpack[") else ()


def _shape(called: str, parameters: list[Parameter]) -> str:
    """Return a call with all that it needs, as one would write it."""
    words = [
        f"{one.name}=..." if one.kind is one.KEYWORD_ONLY else one.name
        for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    return f"{called.rpartition('.')[2]}({', '.join(words)})"
