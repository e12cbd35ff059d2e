"""The secrets of one lab: an authority, certificates, ssh keys, passwords.

All are made afresh for each lab, and gone with it.  Elliptic curves throughout:
the whole set of a dozen hosts takes a few milliseconds, where one RSA key takes
a hundred.  Each certificate and key is made when it is first asked for and then
kept, so that a lab that grows does not change what its hosts have already, and
one without TLS does not wait for an authority.

"""

from __future__ import annotations

import base64
import os
import re
import threading
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any

from playground.errors import BadArgument
from playground.lab.zone_keys import ZoneKeys, make_zone_keys
from playground.model.services.table import SERVICES

# Of cryptography, certificates take 50 ms to import, and only a lab with TLS
# needs them; ed25519 takes 10 ms, where a lab starts.
if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# Never another name: OpenSSL finds an authority by a hash of its name.
CA_NAME = "playground lab authority"
# `openssl x509 -hash` of a certificate with that name; tests compare.
CA_HASH = "5c80f752"

_VALID_DAYS = 397  # the longest that browsers take, CA/Browser Forum BR 6.3.2

# useradd(8), Debian's default for --badname.
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")

# Accounts of the base image; a lab's user of that name would take one over.  Each
# service adds its own, `ServiceRow.accounts`.
_BASE_ACCOUNTS = frozenset(
    {
        "_apt",
        "adm",
        "audio",
        "backup",
        "bin",
        "daemon",
        "dialout",
        "disk",
        "games",
        "gnats",
        "iperf3",
        "irc",
        "list",
        "lp",
        "mail",
        "man",
        "messagebus",
        "news",
        "nobody",
        "proxy",
        "root",
        "shadow",
        "sshd",
        "ssl-cert",
        "staff",
        "sudo",
        "sync",
        "sys",
        "systemd-network",
        "tcpdump",
        "tty",
        "users",
        "uucp",
        "video",
        "www-data",
    }
)


class Credentials:
    """The secrets of one lab; `Credentials.make` makes them.

    ``users`` maps each ordinary user to their password.  Keys and certificates
    are text: PEM, and for ssh the formats of OpenSSH.

    """

    def __init__(self, users: Mapping[str, str], root_password: str) -> None:
        self.users = dict(users)
        self.root_password = root_password
        self._authority: tuple[str, str] | None = None
        self._ssh_key: tuple[str, str] | None = None
        self._host_keys: dict[str, tuple[str, str]] = {}
        self._issued: dict[tuple[str, ...], tuple[str, str]] = {}
        self._zone_keys: dict[str, ZoneKeys] = {}
        self._wireguard: dict[str, tuple[str, str]] = {}
        # A certificate is issued by the authority, made under the same lock.
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        # Passwords have no place in a traceback or a notebook.
        return f"<Credentials of {', '.join(self.users) or 'no users'}>"

    @classmethod
    def make(cls, users: Mapping[str, str] | None = None) -> Credentials:
        """Make a lab's credentials; None gives one user `student` with a made password.

        Raises `BadArgument` for a name or a password that no account can have.

        """
        if users is None:
            users = {"student": make_password()}
        if not isinstance(users, Mapping):
            raise BadArgument(
                f'users={users!r} says no passwords: write users={{"student": "secret"}}'
            )
        checked = {}
        for name, password in users.items():
            _check_user(name, password)
            checked[name] = password
        return cls(checked, make_password())

    @property
    def ca_certificate_pem(self) -> str:
        """The certificate of the lab's authority, as PEM."""
        return self._made_authority()[1]

    @property
    def ssh_private_key(self) -> str:
        """The private key that lets root and every user in, in OpenSSH's format."""
        return self._made_ssh_key()[0]

    @property
    def ssh_public_key(self) -> str:
        """The public half of `ssh_private_key`, as a line of authorized_keys."""
        return self._made_ssh_key()[1]

    def _made_authority(self) -> tuple[str, str]:
        with self._lock:
            if self._authority is None:
                self._authority = _make_authority()
            return self._authority

    def _made_ssh_key(self) -> tuple[str, str]:
        with self._lock:
            if self._ssh_key is None:
                self._ssh_key = _make_ssh_key("playground")
            return self._ssh_key

    def issue(self, names: Iterable[str], addresses: Iterable[object]) -> tuple[str, str]:
        """Return a server's key and certificate for names and addresses, both as PEM.

        The certificate comes with the authority's after it, as servers send
        them.  The same names and addresses give the same pair again.

        """
        wanted_names = tuple(dict.fromkeys(names))
        wanted_addresses = tuple(dict.fromkeys(str(address) for address in addresses))
        question = (*wanted_names, "", *wanted_addresses)
        with self._lock:
            if question not in self._issued:
                ca_key, ca_certificate = self._made_authority()
                key, certificate = _issue(ca_key, ca_certificate, wanted_names, wanted_addresses)
                self._issued[question] = (key, certificate + ca_certificate)
            return self._issued[question]

    def host_key(self, node: str) -> tuple[str, str]:
        """Return the private and public ssh key of a node: two texts of OpenSSH's."""
        with self._lock:
            if node not in self._host_keys:
                self._host_keys[node] = _make_ssh_key(node)
            return self._host_keys[node]

    def zone_keys(self, zone: str) -> ZoneKeys:
        """Return the keys that sign a zone of names, such as "example.com."."""
        with self._lock:
            if zone not in self._zone_keys:
                self._zone_keys[zone] = make_zone_keys(zone)
            return self._zone_keys[zone]

    def wireguard_keys(self, node: str, interface: str) -> tuple[str, str]:
        """Return the private and the public key of a tunnel's end, as wg(8) writes them."""
        with self._lock:
            place = f"{node} {interface}"
            if place not in self._wireguard:
                self._wireguard[place] = _make_wireguard_keys()
            return self._wireguard[place]

    def to_data(self) -> dict[str, Any]:
        """Return all of it as data for `json`; `from_data` is the way back.

        What was not asked for yet is null, and made anew there when it is.

        """
        with self._lock:
            return {
                "users": dict(self.users),
                "root_password": self.root_password,
                "authority": self._authority,
                "ssh_key": self._ssh_key,
                "host_keys": dict(self._host_keys),
                "issued": list(self._issued.items()),
                "zone_keys": {
                    zone: [dict(keys.files), keys.ds_record]
                    for zone, keys in self._zone_keys.items()
                },
                "wireguard": dict(self._wireguard),
            }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Credentials:
        """Return the credentials that `to_data` made data of."""
        made = cls(data["users"], data["root_password"])
        made._authority = _pair(data["authority"])
        made._ssh_key = _pair(data["ssh_key"])
        made._host_keys = {node: (pair[0], pair[1]) for node, pair in data["host_keys"].items()}
        made._wireguard = {
            place: (pair[0], pair[1]) for place, pair in data.get("wireguard", {}).items()
        }
        made._issued = {tuple(key): (pair[0], pair[1]) for key, pair in data["issued"]}
        made._zone_keys = {zone: ZoneKeys(*keys) for zone, keys in data["zone_keys"].items()}
        return made


def _pair(data: Sequence[str] | None) -> tuple[str, str] | None:
    return None if data is None else (data[0], data[1])


def make_password() -> str:
    """Return a password that can be read aloud and typed: about 43 bits.

    A lab is reached only from its own machine; this is no defence of a server.

    """
    # No vowels, so that no word comes out, and nothing that looks like another.
    signs = "bcdfghjkmnpqrstvwxz23456789"
    # Of 64 bits; that one sign is likelier than another by 2**-59 helps nobody.
    number = [int.from_bytes(os.urandom(8), "big") for _ in range(9)]
    text = "".join(signs[one % len(signs)] for one in number)
    return "-".join((text[:3], text[3:6], text[6:]))


def _check_user(name: object, password: object) -> None:
    if not isinstance(name, str) or not _USER_NAME.fullmatch(name):
        raise BadArgument(
            f"{name!r} cannot be a user: a name has up to 32 lower case letters, digits, "
            "- and _, and begins with a letter"
        )
    if name in _BASE_ACCOUNTS or any(name in row.accounts for row in SERVICES.values()):
        raise BadArgument(
            f"the user {name!r} is there on every host already, or comes with a service: "
            "choose another name"
        )
    if not isinstance(password, str) or not password or re.search(r"[\0\r\n]", password):
        raise BadArgument(f"the password of {name!r} must be a text of one line, and not empty")


# --------------------------------------------------------------------- keys


def _make_wireguard_keys() -> tuple[str, str]:
    # RFC 7748; only a lab with such a tunnel waits for the import.
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.generate()
    both = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    private, public = (base64.b64encode(item).decode() for item in both)
    return private, public


def _make_ssh_key(comment: str) -> tuple[str, str]:
    # Written as OpenSSH has it here, because to import cryptography's own
    # writer takes 50 ms.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key: Ed25519PrivateKey = Ed25519PrivateKey.generate()
    seed, point = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    public = _text(b"ssh-ed25519") + _text(point)
    # PROTOCOL.key of OpenSSH: twice the same number, then key and comment,
    # filled with 1, 2, 3 to a multiple of eight bytes.
    secret = os.urandom(4) * 2 + public + _text(seed + point) + _text(comment.encode())
    secret += bytes(range(1, 1 + -len(secret) % 8))
    whole = b"".join(
        (
            b"openssh-key-v1\0",
            _text(b"none") * 2,  # neither cipher nor key derivation
            _text(b""),
            (1).to_bytes(4, "big"),
            _text(public),
            _text(secret),
        )
    )
    encoded = b64encode(whole).decode()
    lines = (encoded[start : start + 70] for start in range(0, len(encoded), 70))
    kind = "OPENSSH PRIVATE KEY"
    private = "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""))
    return private, f"ssh-ed25519 {b64encode(public).decode()} {comment}"


def _text(data: bytes) -> bytes:
    """Return a string as ssh writes it: its length before it (RFC 4251 section 5)."""
    return len(data).to_bytes(4, "big") + data


def _make_key() -> tuple[EllipticCurvePrivateKey, str]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, pem.decode()


# ------------------------------------------------------------- certificates


def _make_authority() -> tuple[str, str]:
    from cryptography import x509

    key, key_pem = _make_key()
    name = _common_name(CA_NAME)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _builder(name, name, key.public_key())
    # RFC 5280 sections 4.2.1.1-9.  Python 3.13's ssl checks strictly: an
    # authority must have basic constraints and key usage, each certificate its
    # key identifiers.
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
    )
    return key_pem, _sign(certificate, key)


def _issue(
    ca_key_pem: str, ca_certificate_pem: str, names: tuple[str, ...], addresses: tuple[str, ...]
) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID

    ca_key = load_pem_private_key(ca_key_pem.encode(), None)
    assert isinstance(ca_key, EllipticCurvePrivateKey)
    ca = x509.load_pem_x509_certificate(ca_certificate_pem.encode())
    key, key_pem = _make_key()
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    ips: list[IPv4Address | IPv6Address] = [ip_address(address) for address in addresses]
    alternatives += [x509.IPAddress(ip) for ip in ips]
    # A common name has at most 64 characters (RFC 5280, ub-common-name); the
    # alternative names are those that count.
    title = (names or addresses)[0][:64]
    builder = (
        _builder(_common_name(title), ca.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
    )
    return key_pem, _sign(builder, ca_key)


def _common_name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, public_key: Any) -> x509.CertificateBuilder:
    import datetime

    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        # A day before: the engine's machine may have another idea of the time.
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS - 1))
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
