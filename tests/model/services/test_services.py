"""Settings of services: what is taken, what is refused, which files come of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from playground.engines.images import images_directory
from playground.errors import TopologyError
from playground.model.services.dhcp import DHCP, DHCPRelay
from playground.model.services.dns import DNS
from playground.model.services.dns_records import checked_zone_record
from playground.model.services.frr import BGP, OSPF, RIP, ROUTING
from playground.model.services.ftp import FTP
from playground.model.services.http import HTTP
from playground.model.services.ipv6.radvd import RouterAdvertisements
from playground.model.services.mail import IMAP, POP, SMTP, mail_domain
from playground.model.services.management import SNMP
from playground.model.services.proxies import LoadBalancer
from playground.model.services.routing.keepalived import VirtualRouters
from playground.model.services.settings import (
    File,
    Port,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
)
from playground.model.services.shells import SSH, Telnet
from playground.model.services.table import SERVICES, service
from playground.model.topology import Router

CONTEXT = ServiceContext(name="www.example.com", short="www", users={"student": 1000, "ann": 1001})


def files_of(settings: ServiceSettings, context: ServiceContext = CONTEXT) -> dict[str, File]:
    files = SERVICES[settings.service].configure(settings, context)
    return {item.path: item for item in files}


def text_of(settings: ServiceSettings, path: str, context: ServiceContext = CONTEXT) -> str:
    return files_of(settings, context)[path].content.decode()


# ------------------------------------------------------------------ the table


def test_the_ports_that_everybody_expects() -> None:
    ports = {
        name: [(port.number, port.protocol, port.tls) for port in row.ports]
        for name, row in SERVICES.items()
    }
    assert ports == {
        "ssh": [(22, "tcp", False)],
        "http": [(80, "tcp", False), (443, "tcp", True)],
        "smtp": [(25, "tcp", False), (465, "tcp", True), (587, "tcp", False)],
        "pop": [(110, "tcp", False), (995, "tcp", True)],
        "imap": [(143, "tcp", False), (993, "tcp", True)],
        "ftp": [(21, "tcp", False)],
        "telnet": [(23, "tcp", False)],
        "dns": [(53, "udp", False), (53, "tcp", False)],
        # Ports 67 and 68 answer nobody who has an address: hosts that ask are the probe.
        "dhcp": [],
        "dhcp-relay": [],
        "dhcpv6": [],
        "dhcpv6-client": [],
        # ICMPv6 has none: a host that waits for its address is the probe.
        "radvd": [],
        "prefix-delegation": [],
        "nat64": [],
        "dns64": [(53, "udp", False), (53, "tcp", False)],
        # VRRP has no port either: a router that waits for its state is the probe.
        "keepalived": [],
        "zones": [(53, "udp", False), (53, "tcp", False)],
        "resolver": [(53, "udp", False), (53, "tcp", False)],
        "balancer": [(80, "tcp", False)],
        "proxy": [(3128, "tcp", False)],
        "ntp": [(123, "udp", False)],
        "syslog": [(514, "udp", False), (514, "tcp", False)],
        "snmp": [(161, "udp", False)],
        "ldap": [(389, "tcp", False), (636, "tcp", True)],
        "tftp": [(69, "udp", False)],
        "mqtt": [(1883, "tcp", False), (8883, "tcp", True)],
        # Of the daemons' own terminals, for nobody but the router itself.
        "frr": [(2601, "tcp", False)],
        **{
            name: [(2601, "tcp", False), (port, "tcp", False)]
            for name, port in {
                "ospf": 2604,
                "ospf6": 2606,
                "rip": 2602,
                "ripng": 2603,
                "bgp": 2605,
                "isis": 2608,
                "openfabric": 2618,
                "eigrp": 2613,
                "babel": 2609,
                "bfd": 2617,
                "pim": 2611,
                "pim6": 2622,
                "vrrp": 2619,
                "ldp": 2612,
                "pbr": 2615,
                "nhrp": 2610,
                "segments": 2621,
            }.items()
        },
        "wireguard": [],
    }


# Servers that answer alike by UDP and TCP, each as its settings say, or nobody.
ASKED_OTHERWISE = ("zones", "resolver", "dns64", "balancer", "snmp", "syslog")


@pytest.mark.parametrize(
    "row",
    [row for name, row in SERVICES.items() if name not in ASKED_OTHERWISE],
    ids=lambda row: row.name,
)
def test_every_port_is_asked_for_an_answer(row: ServiceRow) -> None:
    asked = {Port(probe.port, probe.protocol, probe.tls) for probe in row.probes}
    assert asked == set(row.ports)
    assert all(probe.expect for probe in row.probes)


@pytest.mark.parametrize(
    ("name", "answer", "silence"),
    [
        ("ssh", b"SSH-2.0-OpenSSH_10.0p2\r\n", b"HTTP/1.1 400\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\n", b"220 ready\r\n"),
        ("smtp", b"220 mail.example.com ESMTP\r\n", b"421 too busy\r\n"),
        ("pop", b"+OK Dovecot ready.\r\n", b"-ERR\r\n"),
        ("imap", b"* OK [CAPABILITY IMAP4rev1]\r\n", b"* BYE\r\n"),
        ("ftp", b"220 (vsFTPd 3.0.5)\r\n", b"500 OOPS\r\n"),
        ("telnet", b"\xff\xfd\x25", b"login: "),
        ("dns", b"pg\x85\x83\0\1\0\0\0\0\0\0", b"pg\x01\x00"),
        # Without a password, with one, or with "no login".
        *((name, b"Vty password is not set.\r\n", b"") for name in ROUTING),
        ("resolver", b"pg\x85\x80\0\1", b"pg\x01\x00"),
        ("proxy", b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 503"),
        ("ntp", b"\x24\x03", b"\x23\x00"),
        ("ldap", b"0\x0c\2\1\1\x61\7\x0a\1\0", b"0\x0c\2\1\1\x61\7\x0a\1\2"),
        ("tftp", b"\0\5\0\1", b"\0\3\0\1"),
        ("mqtt", b"\x20\2\0\0", b"\x20\2\0\5"),
    ],
    ids=str,
)
def test_an_answer_is_one_of_the_protocol(name: str, answer: bytes, silence: bytes) -> None:
    probe = SERVICES[name].probes[0]
    assert re.match(probe.expect, answer.decode("latin-1"))
    assert not re.match(probe.expect, silence.decode("latin-1"))


def test_dns_over_tcp_has_its_length_first() -> None:
    udp, tcp = SERVICES["dns"].probes
    assert udp.send is not None and tcp.send is not None
    assert tcp.send == len(udp.send).to_bytes(2, "big") + udp.send
    assert re.match(tcp.expect, "\0\x1cpg\x85")
    assert re.match(tcp.expect, "\0\npg\x85")  # a length of 10 is a line feed


@pytest.mark.parametrize("row", SERVICES.values(), ids=SERVICES)
def test_every_program_is_in_its_image(row: ServiceRow) -> None:
    if row.packages or row.name == "tftp":
        # Its script is one of its files.
        return
    layer = images_directory() / (row.layer or "base")
    assert (layer / "Dockerfile").is_file()
    for program in row.programs:
        script = layer / "root" / "etc" / "sv" / program / "run"
        assert script.read_text().startswith("#!/bin/sh\n")


@pytest.mark.parametrize(
    "directory", sorted(images_directory().glob("*/Dockerfile")), ids=lambda p: p.parent.name
)
def test_an_image_stands_on_any_base(directory: Path) -> None:
    lines = [x for x in directory.read_text().splitlines() if x and not x.startswith("#")]
    assert lines[:2] == ["ARG BASE", "FROM ${BASE}"]
    # The classic builder knows neither.
    assert "--mount" not in directory.read_text()
    assert "<<" not in directory.read_text()


# -------------------------------------------------------------------- by name


@pytest.mark.parametrize(
    "kind", [SSH, HTTP, SMTP, POP, IMAP, FTP, Telnet, DNS, DHCP, OSPF, RIP, BGP]
)
def test_a_name_stands_for_settings(kind: type[ServiceSettings]) -> None:
    assert service(kind.service) == kind()
    assert service(kind()) == kind()
    assert SERVICES[kind.service].settings is kind
    hash(kind())


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("htpp", r"no service 'htpp': did you mean 'http'\?$", id="typo"),
        pytest.param("gopher", "no service 'gopher': choose from ssh, .*http, smtp", id="other"),
        pytest.param("HTTP", r"no service 'HTTP': did you mean 'http'\?$", id="capitals"),
        pytest.param(80, "no service 80", id="number"),
        pytest.param(None, "no service None", id="None"),
        pytest.param(HTTP, r"HTTP is a class: write HTTP\(\)", id="class"),
        pytest.param(ServiceSettings(), "no service", id="base class"),
    ],
)
def test_no_such_service(value: Any, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        service(value)


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        HTTP().files = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (HTTP(), "HTTP(files=None)"),
        (SSH(), "SSH()"),
        (DNS(), "DNS(records=())"),
        (SMTP(domain="Example.COM."), "SMTP(domain='example.com', mailboxes={})"),
    ],
)
def test_repr(settings: ServiceSettings, shown: str) -> None:
    assert repr(settings) == shown


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize(("kind", "top"), [(HTTP, "/var/www/html"), (FTP, "/srv/ftp")])
def test_files_by_name(kind: Any, top: str) -> None:
    settings = kind(files={"index.html": "grüße", "/a/./b.bin": b"\0\xff", "c//d": ""})
    assert {path: item.content for path, item in files_of(settings).items()} == {
        f"{top}/index.html": "grüße".encode(),
        f"{top}/a/b.bin": b"\0\xff",
        f"{top}/c/d": b"",
    }


@pytest.mark.parametrize(("kind", "top"), [(HTTP, "/var/www/html"), (FTP, "/srv/ftp")])
def test_files_of_a_directory(
    kind: Any, top: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "deep").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("one")
    (tmp_path / "site" / "deep" / "x.bin").write_bytes(b"\xff")
    monkeypatch.chdir(tmp_path)
    settings = kind(files="site/")
    monkeypatch.chdir("/")
    (tmp_path / "site" / "index.html").write_text("two")  # read when the lab starts
    expected = {f"{top}/index.html": b"two", f"{top}/deep/x.bin": b"\xff"}
    assert {path: item.content for path, item in files_of(settings).items()} == expected
    whole = settings.with_contents()
    (tmp_path / "site" / "index.html").unlink()
    assert {path: item.content for path, item in files_of(whole).items()} == expected


def test_a_default_page_names_the_host() -> None:
    assert "<h1>www.example.com</h1>" in text_of(HTTP(), "/var/www/html/index.html")
    assert files_of(HTTP(files={})) == {}


@pytest.mark.parametrize("kind", [HTTP, FTP])
@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param("no/such/place", "no/such/place does not exist", id="missing"),
        pytest.param(__file__, "is not a directory", id="file"),
        pytest.param({"../x": ""}, "'../x' cannot be the name", id="outside"),
        pytest.param({"a/../../x": ""}, "cannot be the name", id="outside further"),
        pytest.param({"": ""}, "'' cannot be the name", id="nameless"),
        pytest.param({"a/": ""}, "'a/' cannot be the name", id="directory"),
        pytest.param({"a\0b": ""}, "cannot be the name", id="NUL"),
        pytest.param({5: ""}, "5 cannot be the name", id="number"),
        pytest.param({"a": 5}, "content of 'a' must be text or bytes", id="content"),
        pytest.param(["a"], "a directory or a mapping", id="list"),
        pytest.param({"a": bytes(65 * 1024 * 1024)}, "more than 64 MiB", id="large"),
    ],
)
def test_bad_files(kind: Any, files: Any, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        kind(files=files)


def test_a_directory_that_has_gone(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    settings = HTTP(files=tmp_path / "site")
    (tmp_path / "site").rmdir()
    with pytest.raises(TopologyError, match="is gone"):
        files_of(settings)


# ----------------------------------------------------------------------- mail


def _message() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Grüße"
    message.set_content("Schöne Grüße\n")
    return message


@pytest.mark.parametrize("kind", [SMTP, POP, IMAP])
def test_messages_lie_in_the_users_maildir(kind: Any) -> None:
    settings = kind(mailboxes={"ann": ["Subject: hi\r\n\r\nbody", b"X: y\n\n\xff", _message()]})
    found = [item for item in files_of(settings).values() if "/Maildir/new/" in item.path]
    assert [item.content for item in found[:2]] == [b"Subject: hi\n\nbody\n", b"X: y\n\n\xff\n"]
    assert found[2].content.startswith(b"Subject: =?utf-8?")
    assert b"\r" not in found[2].content
    assert {(item.uid, item.gid, item.mode) for item in found} == {(1001, 1001, 0o600)}
    names = [item.path for item in found]
    assert names == sorted(names)
    assert all(name.startswith("/home/ann/Maildir/new/") for name in names)


def test_services_of_one_host_do_not_overwrite_each_other() -> None:
    boxes = {"ann": ["Subject: hi\n\n"]}
    paths = [
        path
        for settings in (SMTP(mailboxes=boxes), POP(mailboxes=boxes), IMAP(mailboxes=boxes))
        for path in files_of(settings)
    ]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("mailboxes", "words"),
    [
        pytest.param({"ann": "Subject: x\n\n"}, "list of messages, not one", id="text"),
        pytest.param({"ann": ["hello"]}, "begin with a header", id="no header"),
        pytest.param({"ann": ["\nSubject: x"]}, "begin with a header", id="empty line first"),
        pytest.param({"ann": [5]}, "text, bytes or an EmailMessage", id="number"),
        pytest.param(["ann"], "a mapping of users", id="list"),
        pytest.param({"../x": []}, "cannot be the user", id="path"),
    ],
)
@pytest.mark.parametrize("kind", [SMTP, POP, IMAP])
def test_bad_mailboxes(kind: Any, mailboxes: Any, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        kind(mailboxes=mailboxes)


def test_a_mailbox_of_nobody() -> None:
    with pytest.raises(TopologyError, match=r"'bob', who is no user of the lab \(student, ann\)"):
        files_of(IMAP(mailboxes={"bob": []}))


@pytest.mark.parametrize(
    ("domain", "host", "expected"),
    [
        (None, "mail.example.com", "example.com"),
        (None, "mail.cs.example.com", "cs.example.com"),
        (None, "example.com", "example.com"),
        (None, "mail", "mail"),
        ("other.org", "mail.example.com", "other.org"),
    ],
)
def test_mail_domain(domain: str | None, host: str, expected: str) -> None:
    assert mail_domain(SMTP(domain=domain), host) == expected


@pytest.mark.parametrize("domain", ["", "a b", "-x.com", "x..com", "a@b", 5])
def test_bad_mail_domain(domain: Any) -> None:
    with pytest.raises(TopologyError, match="is no domain name"):
        SMTP(domain=domain)


def setting(text: str, name: str) -> str:
    return next(
        line.partition("=")[2].strip() for line in text.splitlines() if line.startswith(f"{name} =")
    )


def test_mail_by_the_name_server() -> None:
    context = ServiceContext(
        name="mail.example.com",
        short="mail",
        users={"student": 1000},
        mail_domains=("example.com", "example.org"),
        mail_routes={"other.org": "mx.other.org"},
        by_mx=True,
    )
    main = text_of(SMTP(), "/etc/postfix/main.cf", context)
    assert setting(main, "myhostname") == "mail.example.com"
    assert setting(main, "myorigin") == "example.com"
    assert setting(main, "mydestination").split(", ") == [
        "example.com",
        "example.org",
        "mail.example.com",
        "mail",
        "localhost.localdomain",
        "localhost",
    ]
    assert setting(main, "smtp_dns_support_level") == "enabled"
    assert "transport_maps" not in main


def test_mail_without_a_name_server() -> None:
    context = ServiceContext(
        name="mail.example.com",
        short="mail",
        mail_domains=("example.com",),
        mail_routes={"other.org": "mx.other.org"},
    )
    main = text_of(SMTP(), "/etc/postfix/main.cf", context)
    assert setting(main, "smtp_dns_support_level") == "disabled"
    assert setting(main, "transport_maps") == "texthash:/etc/postfix/transport"
    assert text_of(SMTP(), "/etc/postfix/transport", context) == "other.org smtp:[mx.other.org]\n"


def test_roots_mail_goes_to_the_first_user() -> None:
    aliases = text_of(SMTP(), "/etc/postfix/aliases").splitlines()
    assert "root student" in aliases
    assert "postmaster root" in aliases


# ------------------------------------------------------------------------ DNS


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (("www.example.com", "A", "10.0.0.1"), "host-record=www.example.com,10.0.0.1"),
        (("www", "AAAA", "2001:DB8::0:1"), "host-record=www,2001:db8::1"),
        (("web.example.com", "cname", "www.example.com."), "cname=web.example.com,www.example.com"),
        (("Example.COM.", "MX", "10  mail"), "mx-host=example.com,mail,10"),
        (("example.com", "TXT", '"v=spf1 -all"'), 'txt-record=example.com,"v=spf1 -all"'),
        (("example.com", "TXT", 'a "b" c'), 'txt-record=example.com,"a \\"b\\" c"'),
        (
            ("1.0.0.10.in-addr.arpa", "PTR", "www"),
            "ptr-record=1.0.0.10.in-addr.arpa,www",
        ),
        (
            ("_sip._tcp.example.com", "SRV", "0 5 5060 sip"),
            "srv-host=_sip._tcp.example.com,sip,5060,0,5",
        ),
        (("example.com", "CAA", '0 issue "ca.org"'), 'caa-record=example.com,0,issue,"ca.org"'),
        (("example.com", "NS", "ns.x"), "dns-rr=example.com,2,026e73017800"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else None,
)
def test_records(record: tuple[str, str, str], line: str) -> None:
    assert line in text_of(DNS(records=[record]), "/etc/dnsmasq.conf").splitlines()


def test_the_labs_records_come_first_and_once() -> None:
    own = ("www.example.com", "A", "10.0.0.1")
    context = ServiceContext(name="ns", short="ns", records=(own, ("ns", "A", "10.0.0.2")))
    text = text_of(DNS(records=[own, ("x", "A", "10.0.0.3")]), "/etc/dnsmasq.conf", context)
    assert [line for line in text.splitlines() if line.startswith("host-record")] == [
        "host-record=www.example.com,10.0.0.1",
        "host-record=ns,10.0.0.2",
        "host-record=x,10.0.0.3",
    ]


def test_a_name_server_asks_nobody() -> None:
    lines = text_of(DNS(), "/etc/dnsmasq.conf").splitlines()
    assert {"no-resolv", "no-hosts", "address=/#/"} <= set(lines)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param("www", "a DNS record is", id="text"),
        pytest.param(("www", "A"), "a DNS record is", id="two"),
        pytest.param(("www", "SPF", "x"), "the type must be one of A, AAAA", id="type"),
        pytest.param(("w w", "A", "10.0.0.1"), "'w w' is no domain name", id="name"),
        pytest.param(("www", "A", "10.0.0.300"), "must be an IPv4 address", id="address"),
        pytest.param(("www", "A", "::1"), "must be an IPv4 address", id="other family"),
        pytest.param(("www", "AAAA", "10.0.0.1"), "must be an IPv6 address", id="other family 6"),
        pytest.param(("www", "MX", "mail"), "must be like '10 mail", id="no preference"),
        pytest.param(("www", "MX", "70000 mail"), "must be like '10 mail", id="preference"),
        pytest.param(("www", "CNAME", "a b"), "a domain name, such as", id="two targets"),
        pytest.param(("www", "SRV", "1 2 x"), "must be like '0 5 5060", id="short SRV"),
        pytest.param(("www", "TXT", "x" * 256), "over 255 bytes", id="long"),
        pytest.param(("www", "TXT", "a\naddress=/x/1.1.1.1"), "must be one line", id="injection"),
        pytest.param(("www", "CAA", "0 issue"), "must be like '0 issue", id="short CAA"),
    ],
)
def test_bad_records(record: Any, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        DNS(records=[record])


def test_records_are_a_list() -> None:
    with pytest.raises(TopologyError, match="is no list; write for example records="):
        DNS(records="www A 10.0.0.1")  # type: ignore[arg-type]


# ------------------------------------------------------- what does not go together


@pytest.mark.parametrize(
    "make",
    [
        lambda: service(SNMP(location="\ud800")),
        lambda: service(OSPF("! \ud800")),
        lambda: service(VirtualRouters("# \ud800")),
        lambda: service(RouterAdvertisements("# \ud800")),
        lambda: DNS(records=[("a.b", "TXT", "\ud800")]),
        lambda: checked_zone_record(("a.b", "HINFO", "\ud800")),
        lambda: HTTP(files={"x": "\ud800"}),
        lambda: Router("r", frr="! \ud800"),
    ],
)
def test_half_a_character_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(TopologyError, match="holds half a character"):
        make()


@pytest.mark.parametrize(
    "data", ["1" * 3 + "1 issue x", "256 issue x", "( issue x", "0 is(x x", '0 issue; "ca.org"']
)
def test_a_caa_record_has_flags_and_a_tag(data: str) -> None:
    with pytest.raises(TopologyError, match="must be like '0 issue"):
        DNS(records=[("a.b", "CAA", data)])


@pytest.mark.parametrize("data", ["a\0b", '"a\0b"', "a\\\0b", '"a\x1bb"'])
def test_a_zone_file_has_no_control_characters(data: str) -> None:
    with pytest.raises(TopologyError, match="must be one line of a zone file"):
        checked_zone_record(("a.b", "HINFO", data))


def test_a_page_has_no_quote_of_haproxy() -> None:
    LoadBalancer(to=["www"], page="/a(b)")
    with pytest.raises(TopologyError, match="is no page"):
        LoadBalancer(to=["www"], page="/it's")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(
            lambda: DNS(records=[("a.b", "CNAME", "a.b")]), "a.b -> a.b", id="its own alias"
        ),
        pytest.param(
            lambda: DNS(records=[("a.b", "CNAME", "c.b"), ("c.b", "CNAME", "a.b")]),
            "a.b -> c.b -> a.b lead in a circle",
            id="aliases in a circle",
        ),
        pytest.param(
            lambda: DNS(records=[("*.a.b", "A", "1.2.3.4")]), "many names", id="a wildcard"
        ),
        pytest.param(
            lambda: HTTP(files={"x": "a", "x/y": "b"}),
            "'x' cannot be a file and the directory of 'x/y'",
            id="a file that is a directory",
        ),
    ],
)
def test_what_no_server_could_load_is_refused(
    make: Callable[[], ServiceSettings], words: str
) -> None:
    with pytest.raises(TopologyError, match=re.escape(words)):
        make()


def test_a_ptr_record_may_be_written_with_the_address() -> None:
    settings = DNS(records=[("1.2.3.4", "PTR", "p.example.com")])
    assert settings.records == (("4.3.2.1.in-addr.arpa", "PTR", "p.example.com"),)


# ------------------------------------------------------------------ dhcp


def test_a_dhcp_server_is_told_options_by_name_or_number() -> None:
    settings = DHCP(options={"ntp-server": "10.0.0.1", 252: "http://wpad/"})
    lines = text_of(settings, "/etc/dnsmasq-dhcp.conf").splitlines()
    assert "dhcp-option=option:ntp-server,10.0.0.1" in lines
    assert "dhcp-option=252,http://wpad/" in lines
    # Without a server of names beside it, and without a look whether an address is free.
    assert {"port=0", "no-ping"} <= set(lines)


def test_a_relay_needs_a_server() -> None:
    with pytest.raises(TopologyError, match="needs to know its server"):
        DHCPRelay()


@pytest.mark.parametrize(
    ("new", "command"),
    [
        (
            "interface eth0\n ip ospf cost 10\ninterface eth1\n ip ospf cost 50\n",
            ["vtysh", "-c", "configure terminal", "-c", "interface eth1", "-c", "ip ospf cost 50"],
        ),
        ("interface eth0\n ip ospf area 1\ninterface eth1\n ip ospf cost 10\n", None),
        ("interface eth0\n ip ospf cost 10\n", None),
    ],
    ids=["cost", "area", "fewer links"],
)
def test_costs_are_told_to_a_daemon_that_runs(new: str, command: list[str] | None) -> None:
    old = "interface eth0\n ip ospf cost 10\ninterface eth1\n ip ospf cost 10\n"
    [file] = SERVICES["ospf"].configure(OSPF(old, from_lab=True), CONTEXT)
    assert file.live is not None
    assert file.live(old.encode(), new.encode()) == command
