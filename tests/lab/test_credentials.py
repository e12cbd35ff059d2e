"""Secrets of a lab: checked with ssl, ssh's formats and openssl's rules."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from playground.errors import BadArgument
from playground.lab.credentials import CA_HASH, CA_NAME, Credentials, make_password


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return Credentials.make({"student": "secret", "ann": "pass word"})


@contextmanager
def tls_server(credentials: Credentials, folder: Path, names: list[str]) -> Iterator[int]:
    """A server on loopback with a certificate for these names; yields its port."""
    key, certificate = credentials.issue(names, ["127.0.0.1"])
    (folder / "key.pem").write_text(key)
    (folder / "cert.pem").write_text(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.settimeout(10)
                try:
                    with context.wrap_socket(line, server_side=True) as secure:
                        secure.sendall(b"hello")
                except (ssl.SSLError, OSError):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


def greeting(port: int, name: str, context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), 10) as line,
        context.wrap_socket(line, server_hostname=name) as secure,
    ):
        return secure.recv(5)


def strict(**where: str) -> ssl.SSLContext:
    """A client that checks as strictly as Python 3.13 does by default."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(**where)
    return context


@pytest.mark.parametrize("name", ["www.example.com", "www", "127.0.0.1"])
def test_a_certificate_is_good_for_its_names(
    credentials: Credentials, tmp_path: Path, name: str
) -> None:
    context = strict(cadata=credentials.ca_certificate_pem)
    with tls_server(credentials, tmp_path, ["www.example.com", "www"]) as port:
        assert greeting(port, name, context) == b"hello"


def test_a_certificate_is_for_no_other_name(credentials: Credentials, tmp_path: Path) -> None:
    context = strict(cadata=credentials.ca_certificate_pem)
    with (
        tls_server(credentials, tmp_path, ["www.example.com"]) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        greeting(port, "mail.example.com", context)


def test_another_labs_authority_is_not_trusted(credentials: Credentials, tmp_path: Path) -> None:
    context = strict(cadata=Credentials.make().ca_certificate_pem)
    with (
        tls_server(credentials, tmp_path, ["www"]) as port,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        greeting(port, "www", context)


def test_openssl_finds_the_authority_by_its_hash(credentials: Credentials, tmp_path: Path) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    (folder / f"{CA_HASH}.0").write_text(credentials.ca_certificate_pem)
    with tls_server(credentials, tmp_path, ["www"]) as port:
        assert greeting(port, "www", strict(capath=str(folder))) == b"hello"


def test_the_authority_is_named_the_same_in_every_lab() -> None:
    for _ in range(2):
        pem = Credentials.make().ca_certificate_pem
        subject = x509.load_pem_x509_certificate(pem.encode()).subject
        assert subject.rfc4514_string() == f"CN={CA_NAME}"


def test_a_certificate_comes_with_its_authority(credentials: Credentials) -> None:
    _, pem = credentials.issue(["h1"], [])
    leaf, authority = x509.load_pem_x509_certificates(pem.encode())
    leaf.verify_directly_issued_by(authority)
    assert authority.public_bytes(Encoding.PEM).decode() == (credentials.ca_certificate_pem)


def test_names_longer_than_a_common_name(credentials: Credentials) -> None:
    name = ".".join(["a" * 60, "b" * 60, "com"])
    leaf = x509.load_pem_x509_certificate(credentials.issue([name], [])[1].encode())
    alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert alternatives.value.get_values_for_type(x509.DNSName) == [name]


def test_what_was_issued_stays(credentials: Credentials) -> None:
    assert credentials.issue(["a"], ["10.0.0.1"]) == credentials.issue(["a"], ["10.0.0.1"])
    assert credentials.issue(["a"], ["10.0.0.1"]) != credentials.issue(["a"], ["10.0.0.2"])
    assert credentials.host_key("h1") == credentials.host_key("h1")
    assert credentials.host_key("h1") != credentials.host_key("h2")


def test_ssh_keys_are_readable(credentials: Credentials, tmp_path: Path) -> None:
    for private, public in (
        (credentials.ssh_private_key, credentials.ssh_public_key),
        credentials.host_key("h1"),
    ):
        path = tmp_path / "key"
        path.write_text(private)
        key = paramiko.Ed25519Key.from_private_key_file(str(path))
        assert public.split()[:2] == ["ssh-ed25519", key.get_base64()]


@pytest.mark.skipif(
    shutil.which("ssh-keygen") is None and os.environ.get("CI") != "true",
    reason="there is no ssh-keygen here",
)
def test_openssh_takes_the_key(credentials: Credentials, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(credentials.ssh_private_key)
    path.chmod(0o600)
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True, timeout=20
    )
    assert shown.stdout.split()[:2] == credentials.ssh_public_key.split()[:2]


def test_data_and_back(credentials: Credentials) -> None:
    issued, host = credentials.issue(["www"], ["10.0.0.1"]), credentials.host_key("www")
    again = Credentials.from_data(json.loads(json.dumps(credentials.to_data())))
    assert again.to_data() == credentials.to_data()
    assert again.issue(["www"], ["10.0.0.1"]) == issued
    assert again.host_key("www") == host
    again.issue(["new"], [])  # the authority can still sign


def test_one_student_unless_told_otherwise() -> None:
    made = Credentials.make()
    assert list(made.users) == ["student"]
    assert made.users["student"] != Credentials.make().users["student"]
    assert Credentials.make({}).users == {}


def test_users_are_a_copy() -> None:
    users = {"ann": "x"}
    made = Credentials.make(users)
    users["bob"] = "y"
    assert made.users == {"ann": "x"}


def test_passwords_differ_and_need_no_quotes() -> None:
    made = {make_password() for _ in range(200)}
    assert len(made) == 200
    assert all(word.replace("-", "").isalnum() and word.isascii() for word in made)


def test_no_secret_is_shown(credentials: Credentials) -> None:
    assert repr(credentials) == "<Credentials of student, ann>"
    assert repr(Credentials.make({})) == "<Credentials of no users>"


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        pytest.param("root", "x", "'root' is there on every host", id="root"),
        pytest.param("iperf3", "x", "'iperf3' is there", id="of the base"),
        pytest.param("frr", "x", "'frr' is there on every host", id="of a service"),
        pytest.param("www-data", "x", "'www-data' is there", id="system"),
        pytest.param("Ann", "x", "'Ann' cannot be a user", id="capital"),
        pytest.param("a b", "x", "'a b' cannot be a user", id="space"),
        pytest.param("../x", "x", "cannot be a user", id="path"),
        pytest.param("a" * 33, "x", "cannot be a user", id="long"),
        pytest.param("", "x", "cannot be a user", id="nameless"),
        pytest.param(7, "x", "7 cannot be a user", id="number"),
        pytest.param("ann", "", "the password of 'ann'", id="no password"),
        pytest.param("ann", "a\nb", "the password of 'ann'", id="two lines"),
        pytest.param("ann", None, "the password of 'ann'", id="None"),
    ],
)
def test_bad_users(name: str, password: str, words: str) -> None:
    with pytest.raises(BadArgument, match=words):
        Credentials.make({name: password})
