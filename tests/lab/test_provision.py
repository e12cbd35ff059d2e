"""Provisions of each node of a plan, by the facts that a student would meet."""

from __future__ import annotations

import base64
import stat

import pytest
from cryptography import x509

from playground.engines.images import images_directory
from playground.errors import TopologyError
from playground.lab.credentials import CA_HASH, Credentials
from playground.lab.provision import Account, NodeProvision, provision
from playground.model.services.dns import DNS
from playground.model.services.http import HTTP
from playground.model.services.mail import IMAP, SMTP
from playground.model.services.settings import File
from playground.model.services.table import SERVICES
from playground.operations.network import Host, Link, Switch
from playground.planning.plan import Plan
from playground.planning.planner import make_plan

NAMES = ["h1", "www.example.com", "mail.example.com", "ns.example.com", "post.other.org"]


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return Credentials.make({"student": "secret", "ann": "other"})


def make_lan(*hosts: Host) -> Plan:
    lan = Switch("lan", subnet="10.0.1.0/24")
    for host in hosts:
        Link(lan, host)
    return make_plan([lan, *hosts])


def small_lab(*, dns: bool, ssh: tuple[str, ...] = ("ssh",)) -> Plan:
    records = [("example.com", "MX", "20 post.other.org"), ("web.x", "CNAME", "www.example.com")]
    return make_lan(
        Host("h1", ssh),
        Host("www.example.com", [*ssh, HTTP(files={"a": "x"})]),
        Host("mail.example.com", ["smtp", "pop", IMAP(mailboxes={"ann": ["Subject: x\n\ny"]})]),
        Host("ns.example.com", [DNS(records=records)] if dns else []),
        Host("post.other.org", ["smtp"]),
    )


@pytest.fixture(scope="module")
def with_dns(credentials: Credentials) -> dict[str, NodeProvision]:
    return provision(small_lab(dns=True), credentials)


@pytest.fixture(scope="module")
def without_dns(credentials: Credentials) -> dict[str, NodeProvision]:
    return provision(small_lab(dns=False), credentials)


def file_of(node: NodeProvision, path: str) -> File:
    (found,) = (item for item in node.files if item.path == path)
    return found


def text_of(node: NodeProvision, path: str) -> str:
    return file_of(node, path).content.decode()


def test_every_node_is_provided(with_dns: dict[str, NodeProvision]) -> None:
    assert list(with_dns) == NAMES


def test_no_file_is_written_twice(with_dns: dict[str, NodeProvision]) -> None:
    for node in with_dns.values():
        paths = [item.path for item in node.files]
        assert len(paths) == len(set(paths))


def test_the_same_again(credentials: Credentials) -> None:
    plan = small_lab(dns=True)
    assert provision(plan, credentials) == provision(plan, credentials)


def test_a_new_host_changes_nothing_but_names(credentials: Credentials) -> None:
    lan, h1 = Switch("lan", subnet="10.0.1.0/24"), Host("h1", ["ssh", "http"])
    Link(lan, h1)
    before = make_plan([lan])
    old = provision(before, credentials)["h1"]
    Link(lan, Host("h2"))
    new = provision(make_plan([lan], previous=before), credentials)["h1"]
    changed = {item.path for item in set(new.files) - set(old.files)}
    assert changed == {"/etc/hosts", "/run/playground/ssh_known_hosts"}


# ----------------------------------------------------------------- programs


def test_programs_and_checks_are_those_of_the_services(with_dns: dict[str, NodeProvision]) -> None:
    assert with_dns["h1"].programs == ("sshd",)
    assert with_dns["mail.example.com"].programs == (
        "saslauthd",
        "postfix",
        "dovecot-pop",
        "dovecot-imap",
    )
    asked = {(check.service, check.probe.port) for check in with_dns["mail.example.com"].checks}
    assert asked == {
        (name, port.number) for name in ("smtp", "pop", "imap") for port in SERVICES[name].ports
    }


def test_a_check_as_the_agent_takes_it(with_dns: dict[str, NodeProvision]) -> None:
    udp, tcp = (check.request(7) for check in with_dns["ns.example.com"].checks)
    assert {key: udp[key] for key in ("pid", "node", "service", "port", "protocol", "tls")} == {
        "pid": 7,
        "node": "ns.example.com",
        "service": "dns",
        "port": 53,
        "protocol": "udp",
        "tls": False,
    }
    assert base64.b64decode(tcp["send"])[2:] == base64.b64decode(udp["send"])
    assert with_dns["h1"].checks[0].request(1)["send"] is None


def test_accounts(with_dns: dict[str, NodeProvision], credentials: Credentials) -> None:
    accounts = with_dns["h1"].users
    assert [(user.name, user.uid, user.groups) for user in accounts] == [
        ("root", 0, ()),
        ("student", 1000, ("sudo",)),
        ("ann", 1001, ("sudo",)),
    ]
    assert accounts[0].password == credentials.root_password
    assert Account("ann", "other", 1001, ("sudo",)).request({"other": "$6$x"}) == {
        "name": "ann",
        "password_hash": "$6$x",
        "uid": 1001,
        "groups": ["sudo"],
        "shell": "/bin/bash",
    }


# -------------------------------------------------------------------- names


def test_names_without_a_name_server(without_dns: dict[str, NodeProvision]) -> None:
    node = without_dns["h1"]
    lines = [line.split() for line in text_of(node, "/etc/hosts").splitlines()]
    assert lines[0] == ["127.0.0.1", "localhost"]
    names = {name: address for address, *rest in lines[2:] for name in rest}
    assert {"h1", "www.example.com", "www", "mail.example.com"} <= set(names)
    assert "nameserver" not in text_of(node, "/etc/resolv.conf")
    assert text_of(without_dns["www.example.com"], "/etc/hostname") == "www\n"


def test_names_by_the_name_server(with_dns: dict[str, NodeProvision]) -> None:
    lines = text_of(with_dns["h1"], "/etc/resolv.conf").splitlines()
    assert "nameserver 10.0.1.4" in lines
    assert lines[-1] == "options timeout:1 attempts:2"
    assert "host-record=h1,10.0.1.1" in text_of(with_dns["ns.example.com"], "/etc/dnsmasq.conf")


def test_a_host_without_links_knows_itself(credentials: Credentials) -> None:
    plan = make_plan([Host("alone.example.com")])
    hosts = text_of(provision(plan, credentials)["alone.example.com"], "/etc/hosts")
    assert "127.0.1.1 alone.example.com alone" in hosts.splitlines()


# -------------------------------------------------------------------- trust


def test_every_node_trusts_the_labs_authority(
    with_dns: dict[str, NodeProvision], credentials: Credentials
) -> None:
    for node in with_dns.values():
        bundle = file_of(node, "/etc/ssl/certs/ca-certificates.crt")
        assert bundle.append
        assert bundle.content.decode() == credentials.ca_certificate_pem
        assert text_of(node, "/run/playground/ca.pem") == credentials.ca_certificate_pem


def test_certificates_go_to_those_who_need_them(with_dns: dict[str, NodeProvision]) -> None:
    with_key = {
        name
        for name, node in with_dns.items()
        for item in node.files
        if item.path == "/etc/playground/tls/key.pem"
    }
    assert with_key == {"www.example.com", "mail.example.com", "post.other.org"}


def alternatives(node: NodeProvision) -> tuple[set[str], set[str]]:
    pem = file_of(node, "/etc/playground/tls/cert.pem").content
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        set(names.get_values_for_type(x509.DNSName)),
        {str(address) for address in names.get_values_for_type(x509.IPAddress)},
    )


def test_a_certificate_has_every_name_of_its_host(with_dns: dict[str, NodeProvision]) -> None:
    names, addresses = alternatives(with_dns["www.example.com"])
    assert names == {"www.example.com", "www", "web.x", "localhost"}
    assert addresses == {"10.0.1.2", "127.0.0.1", "::1"}


def test_secrets_are_readable_by_their_owner_alone(with_dns: dict[str, NodeProvision]) -> None:
    for node in with_dns.values():
        for item in node.files:
            if b"PRIVATE KEY" in item.content:
                assert stat.S_IMODE(item.mode) == 0o600, item.path


# ---------------------------------------------------------------------- ssh


@pytest.mark.parametrize(("user", "uid"), [("root", 0), ("student", 1000), ("ann", 1001)])
def test_everybody_enters_by_the_labs_key(
    with_dns: dict[str, NodeProvision], credentials: Credentials, user: str, uid: int
) -> None:
    for node in with_dns.values():
        allowed = text_of(node, "/run/playground/authorized_keys")
        assert allowed.strip() == credentials.ssh_public_key
        key = file_of(node, f"/run/playground/keys/{user}")
        assert key.content.decode() == credentials.ssh_private_key
        assert (key.uid, key.gid) == (uid, uid)


def test_the_base_image_links_to_the_authority_by_the_hash_of_its_name() -> None:
    dockerfile = (images_directory() / "base" / "Dockerfile").read_text()
    assert f"ln -s /run/playground/ca.pem /etc/ssl/certs/{CA_HASH}.0" in dockerfile


def test_every_host_knows_every_hosts_key(
    with_dns: dict[str, NodeProvision], credentials: Credentials
) -> None:
    known = {
        name: line.split()[1:]
        for line in text_of(with_dns["h1"], "/run/playground/ssh_known_hosts").splitlines()
        for name in line.split()[0].split(",")
    }
    for name in ("www.example.com", "www", "10.0.1.2"):
        assert known[name] == credentials.host_key("www.example.com")[1].split()[:2]
    assert known["h1"] != known["www"]
    public = text_of(with_dns["h1"], "/run/playground/ssh_host_ed25519_key.pub")
    assert public.split()[:2] == known["h1"]


# --------------------------------------------------------------------- mail


def destinations(node: NodeProvision) -> list[str]:
    for line in text_of(node, "/etc/postfix/main.cf").splitlines():
        if line.startswith("mydestination ="):
            return line.partition("=")[2].strip().split(", ")
    raise AssertionError("no mydestination")


def test_mail_by_mx(with_dns: dict[str, NodeProvision]) -> None:
    # An MX record that the user gave takes example.com to post.other.org.
    assert "example.com" not in destinations(with_dns["mail.example.com"])
    assert destinations(with_dns["post.other.org"])[:2] == ["other.org", "example.com"]
    main = text_of(with_dns["mail.example.com"], "/etc/postfix/main.cf")
    assert "smtp_dns_support_level = enabled" in main


def test_mail_by_a_map(without_dns: dict[str, NodeProvision]) -> None:
    mail, post = without_dns["mail.example.com"], without_dns["post.other.org"]
    assert destinations(mail)[:2] == ["example.com", "mail.example.com"]
    assert text_of(mail, "/etc/postfix/transport").splitlines() == [
        "other.org smtp:[post.other.org]",
        "post.other.org smtp:[post.other.org]",
    ]
    assert text_of(post, "/etc/postfix/transport").splitlines() == [
        "example.com smtp:[mail.example.com]",
        "mail.example.com smtp:[mail.example.com]",
    ]


def test_a_domain_that_was_said_is_kept(credentials: Credentials) -> None:
    plan = make_lan(
        Host("a.example.com", [SMTP(domain="here.org")]),
        Host("b", [DNS(records=[("example.com", "MX", "5 a.example.com")])]),
    )
    node = provision(plan, credentials)["a.example.com"]
    assert destinations(node)[:3] == ["here.org", "example.com", "a.example.com"]


def test_messages_are_there_from_the_start(with_dns: dict[str, NodeProvision]) -> None:
    (message,) = (
        item for item in with_dns["mail.example.com"].files if "/Maildir/new/" in item.path
    )
    assert message.path.startswith("/home/ann/")
    assert (message.content, message.uid) == (b"Subject: x\n\ny\n", 1001)


def test_a_mailbox_of_nobody_is_refused(credentials: Credentials) -> None:
    plan = make_lan(Host("mail", [IMAP(mailboxes={"bob": []})]))
    with pytest.raises(TopologyError, match="mail has a mailbox for 'bob'"):
        provision(plan, credentials)


def test_a_server_reads_its_certificate_anew_when_it_changes(credentials: Credentials) -> None:
    www = Host("www.example.com", ["http", "telnet"])
    Link(www, Host("h1"))
    node = provision(make_plan([www]), credentials)["www.example.com"]
    assert file_of(node, "/etc/playground/tls/cert.pem").programs == ("nginx",)
