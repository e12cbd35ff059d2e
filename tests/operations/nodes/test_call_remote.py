"""Data between a node and us, and what a hostile node cannot do with it."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import http
import ipaddress
import json
import pathlib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import uuid
from typing import Any

import pytest

from playground.operations.nodes.call_remote import CannotTravel, decode, decode_exception, encode


def crossed(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


VALUES = [
    None,
    True,
    -7,
    2**200,
    -(10**5000),
    1.5,
    float("inf"),
    "text \N{SNOWMAN} \udcff",
    b"\x00\xff",
    bytearray(b"ab"),
    [1, [2, []]],
    (1, "two", (3,)),
    {1, 2},
    frozenset({"a"}),
    {"a": 1, 2: {"b": None}, (1, 2): [3]},
    range(1, 10, 3),
    1 + 2j,
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone(datetime.timedelta(hours=2))),
    datetime.date(2026, 1, 2),
    datetime.time(3, 4, 5, 6),
    datetime.timedelta(days=-1, microseconds=5),
    decimal.Decimal("1.10"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=5),
    ipaddress.ip_address("10.0.0.1"),
    ipaddress.ip_network("fd00::/64"),
    ipaddress.ip_interface("10.0.0.1/24"),
    pathlib.Path("/etc/hosts"),
    pathlib.PurePosixPath("a/b"),
    collections.OrderedDict([("b", 1), ("a", 2)]),
    collections.Counter("hello"),
    collections.deque([1, 2], maxlen=3),
    re.compile(rb"a+", re.IGNORECASE),
    http.HTTPStatus.NOT_FOUND,
    socket.AF_INET6,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_plain_data_arrives_as_it_was(value: Any) -> None:
    arrived = crossed(value)
    assert arrived == value
    assert type(arrived) is type(value)


def test_what_would_take_long_to_put_together_is_refused() -> None:
    endless = {"object": ["builtins.range", [0, 10**15, 1]]}
    huge = {"object": ["decimal.Decimal", ["1e999999999"]]}
    for data in (
        {"tuple": endless},
        {"object": ["collections.deque", [endless, None]]},
        {"object": ["collections.Counter", [endless]]},
        {"object": ["fractions.Fraction", ["1e99999999", 1]]},
        {"object": ["fractions.Fraction", [huge, 1]]},
        {"object": ["fractions.Fraction", [{"int": "0x" + "f" * 100_000}, 7]]},
        {"object": ["re.Pattern", ["a|" * 100_000, 0]]},
    ):
        with pytest.raises(ValueError, match=r"^(not|a) "):
            decode(data)


@pytest.mark.parametrize("kind", ["set", "dict", "ordered"])
def test_keys_of_one_hash_are_given_up(kind: str) -> None:
    # All these have the hash 0, and each looks at all before it.
    keys = [{"int": hex(number * sys.hash_info.modulus)} for number in range(60_000)]
    pairs = [[key, 1] for key in keys]
    data = {
        "set": {"set": keys},
        "dict": {"dict": pairs},
        "ordered": {"object": ["collections.OrderedDict", [pairs]]},
    }[kind]
    with pytest.raises(TimeoutError, match="too long"):
        decode(data, time.monotonic() + 0.2)


def test_a_defaultdict_arrives_as_a_dict() -> None:
    assert crossed(collections.defaultdict(list, a=[1])) == {"a": [1]}


# The module's name, however pytest came to it.
HERE = __name__.removeprefix("tests.")


class Own:
    pass


def nested() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (Own(), f"a value of type {HERE}.Own cannot travel"),
        ([{"x": (Own(),)}], f"a value of type {HERE}.Own cannot travel"),
        (nested(), "a list that contains itself cannot travel"),
        (open, "a value of type builtins.builtin_function_or_method cannot travel"),
        (collections.namedtuple("P", "x")(1), f"a value of type {HERE}.P cannot travel"),
    ],
    ids=["own-class", "deep-inside", "loop", "function", "namedtuple"],
)
def test_what_cannot_travel_is_named(value: Any, sentence: str) -> None:
    with pytest.raises(CannotTravel) as caught:
        encode(value)
    assert str(caught.value).replace("tests.", "") == sentence


def http_error() -> Exception:
    return urllib.error.HTTPError("http://www/", 404, "Not Found", None, None)  # type: ignore[arg-type]


EXCEPTIONS = [
    ValueError("no", 3),
    KeyError("k"),
    OSError(2, "No such file or directory", "/x"),
    ConnectionRefusedError(111, "Connection refused"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ExceptionGroup("several", [ValueError(1), OSError(2, "x")]),
    socket.gaierror(-2, "Name or service not known"),
    ssl.SSLCertVerificationError(1, "certificate verify failed"),
    subprocess.CalledProcessError(3, ["false"], output=b"o", stderr="e"),
    urllib.error.URLError(ConnectionRefusedError(111, "Connection refused")),
    http_error(),
    smtplib.SMTPRecipientsRefused({"a@b": (550, b"no")}),
    smtplib.SMTPResponseException(550, b"no"),
    json.JSONDecodeError("Expecting value", "{", 1),
]


@pytest.mark.parametrize("error", EXCEPTIONS, ids=lambda error: type(error).__name__)
def test_exceptions_of_the_standard_library_arrive_whole(error: Exception) -> None:
    arrived = crossed(error)
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    plain = (int, str, bytes, tuple, dict, type(None))
    for name, value in vars(error).items():
        if isinstance(value, plain):
            assert getattr(arrived, name) == value
    arrived.add_note("can take a note")


@pytest.mark.parametrize(
    "hostile",
    [
        {"object": ["os.system", ["id"]]},
        {"object": ["builtins.eval", ["1"]]},
        {"enum": ["os.system", "id"]},
        {"pickle": "gASVJA=="},
        {"exception": {"module": "os", "name": "system", "arguments": ["id"], "attributes": {}}},
        {
            "exception": {
                "module": "builtins",
                "name": "eval",
                "arguments": ["1"],
                "attributes": {},
            }
        },
        {
            "exception": {
                "module": "builtins",
                "name": "SystemExit",
                "arguments": [1],
                "attributes": {},
            }
        },
        {
            "exception": {
                "module": "socket",
                "name": "socket",
                "arguments": [],
                "attributes": {},
            }
        },
        {"a": 1, "b": 2},
    ],
    ids=lambda data: str(data)[:40],
)
def test_a_hostile_node_gets_nothing_run(hostile: Any) -> None:
    with pytest.raises(ValueError, match=r"^not an? "):
        decode(hostile)


def test_attributes_of_an_exception_do_not_reach_its_class() -> None:
    arrived = decode_exception(
        {
            "module": "smtplib",
            "name": "SMTPException",
            "arguments": [],
            "attributes": {"__class__": 1, "args": 2},
        }
    )
    assert type(arrived) is smtplib.SMTPException
    assert str(smtplib.SMTPException("fine")) == "fine"
