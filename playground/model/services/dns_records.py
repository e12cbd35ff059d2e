"""Domain names and records of name servers: what they may be, and how they are written."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from playground.errors import TopologyError
from playground.model.addresses import address_from
from playground.model.arguments import check_text, shown
from playground.model.services.settings import Probe

# Wider than a host's name (RFC 1123): owners such as _dmarc.
DOMAIN = re.compile(
    r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
    r"(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)


def check_domain(name: object) -> None:
    if isinstance(name, str) and name.startswith("*"):
        raise TopologyError(
            f"{name!r} stands for many names (RFC 4592), which the lab's name server does not "
            "serve: give each name a record"
        )
    if not isinstance(name, str) or not DOMAIN.fullmatch(name.lower().rstrip(".")):
        raise TopologyError(f"{name!r} is no domain name: write for example 'example.com'")


RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT", "CAA")


# IANA's list of types that a zone file may hold, without those that a server or a signer
# makes: SOA, RRSIG, NSEC and their like.
ZONE_TYPES = frozenset(
    {
        *RECORD_TYPES,
        *("AFSDB", "APL", "CDNSKEY", "CDS", "CERT", "CSYNC", "DHCID", "DLV", "DNAME", "DNSKEY"),
        *("DS", "EUI48", "EUI64", "HINFO", "HIP", "HTTPS", "IPSECKEY", "ISDN", "KX", "L32", "L64"),
        *("LOC", "LP", "NAPTR", "NID", "NSAP", "OPENPGPKEY", "PX", "RP", "RT", "SMIMEA", "SPF"),
        *("SSHFP", "SVCB", "TLSA", "URI", "WKS", "X25", "ZONEMD"),
    }
)

# RFC 3597 section 5: any type by its number.
_NUMBERED = r"TYPE\d{1,5}"

# A line of a zone file, which ends where its quotes and brackets do not (RFC 1035 section 5.1).
# No control characters but the tab.
_FIELDS = (
    r'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*"'
    r'|[^\s"();\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f]|[ \t])+'
)
# RFC 8659 section 4.1: flags of one byte, a tag of letters and digits.
_CAA = re.compile(r"(\d{1,3})[ \t]+[A-Za-z0-9]{1,15}[ \t]+\S.*", re.ASCII)

_MOST_BYTES = 4096


def checked_record(record: object) -> tuple[str, str, str]:
    if isinstance(record, (tuple, list)) and len(record) == 3:
        name, kind, data = record
    else:
        raise TopologyError(
            f"a DNS record is (name, type, data), such as ('example.com', 'MX', "
            f"'10 mail.example.com'), not {record!r}"
        )
    kind = str(kind).upper()
    if kind not in RECORD_TYPES:
        raise TopologyError(
            f"DNS record {record!r}: the type must be one of {', '.join(RECORD_TYPES)}"
        )
    if kind == "PTR" and isinstance(name, str):
        with contextlib.suppress(ValueError):  # an address, as one would write it
            name = address_from(name).reverse_pointer
    check_domain(name)
    return name.lower().rstrip("."), kind, _checked_data(record, kind, str(data).strip())


def check_aliases(records: Iterable[tuple[str, str, str]]) -> None:
    """Refuse CNAME records that lead in a circle: no name server loads them."""
    aliases = {name: data for name, kind, data in records if kind == "CNAME"}
    for first in aliases:
        passed = [first]
        while (following := aliases.get(passed[-1])) is not None:
            if following in passed:
                raise TopologyError(
                    f"the CNAME records {' -> '.join((*passed, following))} lead in a circle; "
                    "let the last one name a host"
                )
            passed.append(following)


def _checked_data(record: object, kind: str, data: str) -> str:
    check_text("DNS record", record, TopologyError)
    if not data or "\n" in data or "\0" in data:
        raise TopologyError(f"DNS record {record!r}: the data must be one line")
    if kind in ("A", "AAAA"):
        wanted = IPv4Address if kind == "A" else IPv6Address
        try:
            address = address_from(data)
        except ValueError:
            address = None
        if not isinstance(address, wanted):
            version = 4 if kind == "A" else 6
            raise TopologyError(f"DNS record {record!r}: the data must be an IPv{version} address")
        return str(address)
    if kind in ("TXT", "CAA"):
        longest = 255  # of one character string, RFC 1035 section 3.3
        if kind == "CAA" and not ((match := _CAA.fullmatch(data)) and int(match[1]) <= 255):
            raise TopologyError(
                f"DNS record {record!r}: the data must be like '0 issue \"ca.org\"'"
            )
        if len(data.encode()) > longest:
            raise TopologyError(f"DNS record {record!r}: the text is over {longest} bytes")
        return data
    numbers = {"MX": 1, "SRV": 3}.get(kind, 0)
    fields = data.split()
    if (
        len(fields) != numbers + 1
        or not all(x.isdecimal() and int(x) < 65536 for x in fields[:-1])
        or not DOMAIN.fullmatch(fields[-1].lower().rstrip("."))
    ):
        shape = {"MX": "'10 mail.example.com'", "SRV": "'0 5 5060 sip.example.com'"}.get(
            kind, "a domain name, such as 'www.example.com'"
        )
        raise TopologyError(f"DNS record {record!r}: the data must be like {shape}")
    return " ".join((*fields[:-1], fields[-1].lower().rstrip(".")))


def checked_zone_record(record: object) -> tuple[str, str, str]:
    """Return a record of any type, its owner in lower case without the last dot.

    The root's own name is ".".  Owners may begin with ``*.`` (RFC 4592).

    """
    if not isinstance(record, (tuple, list)) or len(record) != 3:
        raise TopologyError(
            f"a DNS record is (name, type, data), such as ('example.com', 'MX', "
            f"'10 mail.example.com'), not {shown(record)}"
        )
    name, kind, data = record[0], str(record[1]).upper(), str(record[2]).strip()
    wild = isinstance(name, str) and name.startswith("*.")
    if name == ".":
        owner = "."
    elif kind in RECORD_TYPES and not wild:
        return checked_record(record)
    else:
        bare = name[2:] if wild else name
        check_domain(bare)
        owner = ("*." if wild else "") + bare.lower().rstrip(".")
    if kind in RECORD_TYPES:
        return owner, kind, _checked_data(record, kind, data)
    check_text("DNS record", record, TopologyError)
    if kind not in ZONE_TYPES and not re.fullmatch(_NUMBERED, kind, re.ASCII):
        raise TopologyError(
            f"DNS record {shown(record)}: {shown(kind)} is no type that a zone may hold; write one "
            'such as "A", "TXT" or "SSHFP", or a number as in "TYPE65280"'
        )
    if not data or len(data.encode()) > _MOST_BYTES or not re.fullmatch(_FIELDS, data):
        raise TopologyError(
            f"DNS record {shown(record)}: the data must be one line of a zone file, its quotes "
            "closed, without brackets and semicolons"
        )
    return owner, kind, data


def checked_zone(here: str, name: object) -> str:
    """Return the name of a zone with its last dot, in lower case: "example.com.", ".".

    >>> checked_zone("DNS", "Example.COM")
    'example.com.'

    """
    if name == ".":
        return "."
    if not isinstance(name, str) or not DOMAIN.fullmatch(name.lower().rstrip(".")):
        raise TopologyError(
            f'{here}={shown(name)} is no zone; write for example "example.com.", or "." for the '
            "root"
        )
    return f"{name.lower().rstrip('.')}."


def lies_in(name: str, zone: str) -> bool:
    """Tell whether a name, with or without its last dot, is that of a zone or below it.

    >>> lies_in("www.example.com", "com."), lies_in("example.com", "ample.com.")
    (True, False)

    """
    if zone == ".":
        return True
    bare, top = name.rstrip("."), zone.rstrip(".")
    return bare == top or bare.endswith(f".{top}")


def zone_line(owner: str, kind: str, data: str) -> str:
    """Return a record as a line of a zone file whose $ORIGIN is the root."""
    written = quoted(data) if kind == "TXT" else data
    if kind == "CAA":
        flags, tag, value = data.split(None, 2)
        written = f"{flags} {tag} {quoted(value)}"
    return f"{owner}\t{kind}\t{written}"


def quoted(data: str) -> str:
    text = data.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def wire_name(name: str) -> bytes:
    # RFC 1035 section 3.1: each label after its length, then an empty label.
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes((len(x),)) + x.encode("ascii") for x in labels) + b"\0"


SOA = 6  # RFC 1035 section 3.2.2


def question(name: str, kind: int, recursion: bool = False) -> bytes:
    """Return a query for one name, as it travels by UDP (RFC 1035 section 4.1)."""
    flags = b"\x01\x00" if recursion else b"\x00\x00"
    head = b"pg" + flags + b"\0\1\0\0\0\0\0\0"
    return head + wire_name(name) + kind.to_bytes(2, "big") + b"\0\1"


# RFC 4892: "id.server. TXT" in class CH, which unbound answers whether or not it reaches anybody.
UNBOUND_ANSWERS = Probe(
    53,
    "udp",
    send=question("id.server", 16)[:-1] + b"\3",
    expect=r"(?s)pg[\x80-\xff][\x80\x00]",
)
