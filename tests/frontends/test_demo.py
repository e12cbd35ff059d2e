"""The demonstration: its words read, and the whole of it run."""

from __future__ import annotations

import re

import pytest

from playground.frontends import demo
from playground.frontends.demo import EXCHANGES, excerpt, readable

SMTPLIB = r"""send: 'ehlo h1\r\n'
reply: b'250-mail.example.com\r\n'
reply: b'250 SIZE\r\n'
reply: retcode (250); Msg: b'mail.example.com\nSIZE'
send: b'From: a\r\nSubject: b\r\n'
data: (250, b'2.0.0 Ok: queued as X')"""

POPLIB = r"""*cmd* 'USER ada'
*put* b'USER ada'
*get* b'+OK\r\n'
*resp* b'+OK'"""

IMAPLIB = r"""  12:07.25 imaplib version 2.58
  12:07.25 > b'PAIB1 LOGIN ada "word"'
  12:07.26 < b'PAIB1 OK Logged in'"""


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        pytest.param(
            SMTPLIB,
            ["C: ehlo h1", "S: 250-mail.example.com", "S: 250 SIZE", "C: From: a", "C: Subject: b"],
            id="smtplib",
        ),
        pytest.param(POPLIB, ["C: USER ada", "S: +OK"], id="poplib"),
        pytest.param(IMAPLIB, ['C: PAIB1 LOGIN ada "word"', "S: PAIB1 OK Logged in"], id="imaplib"),
        pytest.param("*got* 'Hello'", ["got: Hello"], id="the result"),
        pytest.param("*put* 'cut short...", ["C: 'cut short..."], id="no whole literal"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_debugging_output_becomes_a_dialogue(said, lines):
    assert readable(said).splitlines() == lines


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        pytest.param((), ["a 1", "b 2", "a 3", "c 4"], id="everything"),
        pytest.param(("a", "a"), ["a 1", "a 3"], id="the next that matches"),
        pytest.param(("c", "a"), ["c 4"], id="never backwards"),
        pytest.param(("x", "b"), ["b 2"], id="what is missing chooses nothing"),
    ],
)
def test_an_excerpt_is_a_choice_of_lines_in_order(shown, lines):
    assert excerpt("a 1\nb 2\na 3\nc 4\n", shown) == lines


def test_every_protocol_of_the_first_lab_is_shown():
    protocols = {exchange.protocol for exchange in EXCHANGES}
    assert protocols >= {
        "HTTP", "HTTPS", "SMTP", "POP", "IMAP", "FTP", "Telnet", "SSH", "DNS", "traceroute",
    }  # fmt: skip


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.protocol)
def test_expressions_can_be_compiled(exchange):
    for expression in (exchange.proof, *exchange.shown):
        re.compile(expression)


def test_the_demonstration_runs_to_its_end(engine, capsys):
    demo.show(quiet=True)
    said = capsys.readouterr().out
    assert "FAILED" not in said
    assert all(f"── {exchange.protocol} " in said for exchange in EXCHANGES)
    assert "[homeA]" in said and "NAT" in said


def test_an_exchange_that_fails_fails_the_demonstration(engine, capsys, monkeypatch):
    broken = demo.Exchange("Gopher", "true", lambda lab: "silence", "gopher", ())
    monkeypatch.setattr(demo, "EXCHANGES", (broken,))
    with pytest.raises(demo.DemonstrationFailed, match="Gopher"):
        demo.show(quiet=True)
    assert "silence" in capsys.readouterr().out
