"""Replies of name servers as dig prints them."""

from __future__ import annotations

from playground.operations.diagnosis.names.dig_replies import DnsRecord, DnsReply, read_reply

REFERRAL = """
; <<>> DiG 9.20 <<>> @10.0.9.1
;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 4711
;; flags: qr; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 2

;; QUESTION SECTION:
;www.example.com.\t\tIN\tA

;; AUTHORITY SECTION:
Example.com.\t\t3600\tIN\tNS\tns1.example.com.

;; ADDITIONAL SECTION:
ns1.example.com.\t3600\tIN\tA\t10.0.9.2

;; Query time: 0 msec
"""

BOGUS = """
;; ->>HEADER<<- opcode: QUERY, status: SERVFAIL, id: 1
;; flags: qr rd ra; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
; EDE: 9 (DNSKEY Missing): (no keys have a DS)
"""


def test_a_referral_has_servers_and_glue() -> None:
    assert read_reply(REFERRAL) == DnsReply(
        "NOERROR",
        False,
        (),
        (DnsRecord("example.com.", "NS", "ns1.example.com."),),
        (DnsRecord("ns1.example.com.", "A", "10.0.9.2"),),
    )


def test_a_resolver_says_why_it_failed() -> None:
    reply = read_reply(BOGUS)
    assert reply is not None
    assert (reply.status, reply.extended) == ("SERVFAIL", "DNSKEY Missing: no keys have a DS")


def test_silence_is_no_reply() -> None:
    assert read_reply(";; communications error to 10.0.9.9#53: timed out\n") is None
