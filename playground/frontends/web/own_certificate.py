"""The page's own certificate, for a server that others reach and nobody gave one.

It is made once and kept for the user, as an SSH host key is: whoever has accepted it once is told
when another is shown in its place.  What passes is encrypted in any case.

"""

# XDG Base Directory Specification, XDG_STATE_HOME; RFC 5280 (certificates).

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from playground.engines.whole_files import write_whole
from playground.errors import PlaygroundError
from playground.lab.credentials import Credentials
from playground.model.records import dataclass

if TYPE_CHECKING:
    from cryptography import x509

_FILE = "page.pem"
# One that ends while the page is shown would lock everybody out.
_LEFT = timedelta(days=7)
_MOST_BYTES = 1 << 16


@dataclass(frozen=True)
class OwnCertificate:
    """A file with a certificate and its key (PEM), and the certificate's SHA-256.

    ``fingerprint`` is written as browsers do: pairs of digits with colons.

    """

    file: Path
    fingerprint: str


def own_certificate(host: str, folder: Path | None = None) -> OwnCertificate:
    """Return the certificate that is kept for this user, made anew where it does not do.

    It is for this machine's name and for ``host``, the address where the server listens, and valid
    for a year.  ``folder`` is by default below the user's XDG_STATE_HOME; nobody else can read in
    it.  Raises `PlaygroundError` where nothing can be kept there.

    """
    folder = _state() if folder is None else folder
    file = folder / _FILE
    names, addresses = _called(host)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = _kept(file)
        if text is None or not _serves(text, (*names, *addresses)):
            key, chain = Credentials.make({}).issue(names, addresses)
            text = chain + key
            write_whole(file, text, mode=0o600)
    except OSError as error:
        raise PlaygroundError(
            f"the page's certificate cannot be kept in {folder}: {error.strerror}; set "
            "XDG_STATE_HOME to a folder that you may write to, or give --certificate and --key"
        ) from error
    return OwnCertificate(file, _fingerprint(text))


def _called(host: str) -> tuple[list[str], list[str]]:
    """Return the names and the addresses that the server is reached by."""
    names = ["localhost", socket.gethostname().lower()]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return [*dict.fromkeys([*names, host.lower()])], []
    return [*dict.fromkeys(names)], [] if address.is_unspecified else [str(address)]


def _kept(file: Path) -> str | None:
    """Return the text of a file that nobody else can have written or read; else None."""
    try:
        number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(number, "rb") as opened:
        found = os.fstat(number)
        private = stat.S_ISREG(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
        if not private or found.st_uid != os.geteuid():
            return None
        return opened.read(_MOST_BYTES).decode("latin-1")


def _serves(text: str, wanted: Iterable[str]) -> bool:
    """Tell whether a kept certificate is for all of these, and for some time yet."""
    from cryptography import x509

    try:
        certificate = _first(text)
        names, addresses = _alternatives(certificate)
        # cryptography 41 has no `not_valid_after_utc`, and 42 warns of the other.
        end = getattr(certificate, "not_valid_after_utc", None)
        end = end or certificate.not_valid_after.replace(tzinfo=UTC)
        has_key = "PRIVATE KEY-----" in text
    except (ValueError, x509.ExtensionNotFound):
        return False
    return has_key and {*wanted} <= {*names, *addresses} and end - datetime.now(UTC) > _LEFT


def names_in(file: Path) -> list[str]:
    """Return the host names that a file's first certificate (PEM) is for; [] where it has none.

    A name with a wildcard is none: a page of another host that it fits could be made to lead here.

    """
    from cryptography import x509

    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES).decode("latin-1")
        names, _ = _alternatives(_first(text))
    except (OSError, ValueError, x509.ExtensionNotFound):
        return []  # who begins to listen with it is told
    return [name.lower() for name in names if "*" not in name]


def _alternatives(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    """Return the names and the addresses that a certificate is for (RFC 5280, 4.2.1.6)."""
    from cryptography import x509

    said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = said.get_values_for_type(x509.IPAddress)
    return said.get_values_for_type(x509.DNSName), [str(one) for one in addresses]


def _first(text: str) -> x509.Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(text.encode("latin-1"))


def _fingerprint(text: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    first = begin + text.partition(begin)[2].partition(end)[0] + end
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest().hex(":").upper()


def _state() -> Path:
    if named := os.environ.get("XDG_STATE_HOME"):
        return Path(named) / "playground" / "web"
    try:
        return Path.home() / ".local" / "state" / "playground" / "web"
    except RuntimeError as error:
        raise PlaygroundError(
            "this user has no home folder for the page's certificate: set XDG_STATE_HOME to a "
            "folder that you may write to"
        ) from error
