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


def test_programs_of_a_node_have_no_say(lab: Lab) -> None:
    reply = ";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; flags: qr aa; QUERY: 1\n"
    reply += "\n;; ANSWER SECTION:\nshop.example.\t1\tIN\tA\t10.9.0.1\n"
    h1 = lab.node("h1")
    h1.run("cd /usr/bin; for one in dig getent; do mv $one $one.own; done; true")
    h1.write("/usr/bin/dig", f"#!/bin/sh\ncat << END\n{reply}\nEND\n", mode=0o755)
    h1.write("/usr/bin/getent", "#!/bin/sh\necho 10.9.0.1 STREAM shop.example\n", mode=0o755)
    try:
        assert "10.9.0.1" in h1.run("dig shop.example").stdout
        with pytest.raises(CheckFailed, match="answers NXDOMAIN"):
            lab.check.answers(h1, "shop.example", within_s=0)
        with pytest.raises(CheckFailed, match="does not"):
            lab.check.resolves(h1, "shop.example", within_s=0)
        assert lab.explain(h1, "shop.example").cause == "name unknown"
        assert lab.check.resolves(h1, "www") == str(lab.node("www").address)
    finally:
        h1.run("cd /usr/bin; rm dig getent; for one in dig getent; do mv $one.own $one; done; true")
