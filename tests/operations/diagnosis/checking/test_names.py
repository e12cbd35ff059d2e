"""Answers of name servers."""

from __future__ import annotations

import pytest

from playground import CheckFailed, Lab
from playground.errors import BadArgument


def test_answers_and_what_is_no_answer(lab: Lab) -> None:
    check = lab.check
    address = str(lab.node("www").address)
    assert check.answers("h1", "www", "A", address) == (address,)
    assert check.answers("h1", "www", server="ns") == (address,)
    assert check.answers("h1", "nobody.example", status="NXDOMAIN", within_s=2) == ()
    with pytest.raises(CheckFailed, match=f"about www A NOERROR with 10.1.1.1, .*{address}"):
        check.answers("h1", "www", "A", "10.1.1.1", within_s=0)
    with pytest.raises(CheckFailed, match="should answer h1 about www A NXDOMAIN, and answers NO"):
        check.answers("h1", "www", status="NXDOMAIN", within_s=0)
    with pytest.raises(CheckFailed, match=r"10.5.0.2 should answer ns .*, and answers nothing"):
        check.answers("ns", "www", server="h1", within_s=0)


def test_what_is_no_question_is_refused(lab: Lab) -> None:
    for name, kind in (("", "A"), ("www", ""), ("www", "-x"), (None, "A")):
        with pytest.raises(BadArgument, match="is no question"):
            lab.check.answers("h1", name, kind)  # type: ignore[arg-type]
