"""Keys that sign zones of names (DNSSEC), in the form in which ldns-signzone(1) reads them.

Algorithm 13, ECDSA with P-256 and SHA-256 (RFC 6605): made in a millisecond, and what most
signed zones of the Internet have.

"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import NamedTuple

from playground.model.services.dns_records import wire_name

_ALGORITHM = 13  # RFC 6605 section 2
_KEY_SIGNING, _ZONE_SIGNING = 257, 256  # RFC 4034 section 2.1.1, RFC 3757
_SHA_256 = 2  # RFC 4509


class ZoneKeys(NamedTuple):
    """The keys of one zone: files that sign it, by name, and the DS record that proves them."""

    files: Mapping[str, str]
    ds_record: str


def make_zone_keys(zone: str) -> ZoneKeys:
    """Make a key that signs keys, and one that signs all else, for a zone such as "com."."""
    import hashlib  # OpenSSL, which a lab without such zones does not wait for

    files: dict[str, str] = {}
    ds_record = ""
    for name, flags in (("ksk", _KEY_SIGNING), ("zsk", _ZONE_SIGNING)):
        private, public = _make_key()
        # RFC 4034 section 2.1: flags, protocol 3, algorithm, key.
        data = flags.to_bytes(2, "big") + bytes((3, _ALGORITHM)) + public
        text = b64encode(public).decode()
        files[f"{name}.key"] = f"{zone}\t3600\tIN\tDNSKEY\t{flags} 3 {_ALGORITHM} {text}\n"
        files[f"{name}.private"] = (
            f"Private-key-format: v1.2\nAlgorithm: {_ALGORITHM} (ECDSAP256SHA256)\n"
            f"PrivateKey: {b64encode(private).decode()}\n"
        )
        if flags == _KEY_SIGNING:
            # RFC 4034 section 5.1.4
            digest = hashlib.sha256(wire_name(zone) + data).hexdigest()
            ds_record = f"{key_tag(data)} {_ALGORITHM} {_SHA_256} {digest}"
    return ZoneKeys(files, ds_record)


def key_tag(data: bytes) -> int:
    """Return the number by which signatures and DS records name a DNSKEY: RFC 4034 appendix B.

    >>> key_tag(bytes((1, 1, 3, 13)))
    1038

    """
    total = sum(byte if place & 1 else byte << 8 for place, byte in enumerate(data))
    return (total + (total >> 16 & 0xFFFF)) & 0xFFFF


def _make_key() -> tuple[bytes, bytes]:
    """Return the secret number, and the point without its first byte: RFC 6605 section 4."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.private_numbers().private_value.to_bytes(32, "big"), public[1:]
