"""What a resolver says that it remembers, and what somebody says in its place."""

from __future__ import annotations

import pytest

from playground.operations.programs.resolver_cache import CacheRow, cache_rows

RRSET = ";rrset 300 1 0 8 3\nwww.example.com.\t300\tIN\tA\t10.0.0.1\n"
ROW = CacheRow("www.example.com.", "A", "10.0.0.1", 300, "insecure")
LONG = "9" * 5000


def test_a_record_and_one_that_does_not_exist_are_rows() -> None:
    text = f"{RRSET}msg no.example.com. IN A 33155 1 60 3 0 1 0\n"
    assert list(cache_rows(text)) == [
        ROW,
        CacheRow("no.example.com.", "A", "NXDOMAIN", 60, "insecure"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"www.example.com.\t{LONG}\tIN\tA\t10.0.0.1\n",
        "www.example.com.\t\N{SUPERSCRIPT TWO}\tIN\tA\t10.0.0.1\n",
        f"msg no.example.com. IN A {LONG} 1 60 3 0 1 0\n",
        f"msg no.example.com. IN A 33155 1 60 {LONG} 0 1 0\n",
        "msg no.example.com.\n",
        "\n",
    ],
)
def test_what_is_no_line_of_a_resolver_is_left_out(line: str) -> None:
    assert list(cache_rows(line + RRSET)) == [ROW]


def test_a_number_without_end_is_none() -> None:
    [row] = cache_rows(f";rrset 300 1 0 8 {LONG}\na.\t1\tIN\tA\t10.0.0.1\n")
    assert row.security == ""
    [row] = cache_rows(f"msg no.example.com. IN A 33155 1 {LONG} 3 0 1 0\n")
    assert row.ttl_s == 0
