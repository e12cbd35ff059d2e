"""The name server: its settings, the records that it takes, and its row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address, ip_address

from playground.errors import TopologyError
from playground.model.arguments import check_iterable
from playground.model.records import dataclass
from playground.model.services.domains import DOMAIN, check_domain
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)


@dataclass(frozen=True)
class DNS(ServiceSettings):
    """A name server on port 53 that knows every name of the lab.

    ``records`` adds more, each as owner, type and data in the form of a zone
    file: ``DNS(records=[("example.com", "MX", "10 mail.example.com")])``.
    Types: A AAAA CNAME MX NS PTR SRV TXT CAA.  Every other name does not exist.
    Raises `TopologyError` for data that its type cannot have.

    """

    records: Sequence[tuple[str, str, str]] = ()
    service: str = field(default="dns", init=False, repr=False)

    def __post_init__(self) -> None:
        example = 'records=[("example.com", "MX", "10 mail.example.com")]'
        records = check_iterable("DNS: records", self.records, example, TopologyError)
        set_field(self, "records", tuple(_checked_record(record) for record in records))
        _check_aliases(self.records)


_RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT", "CAA")


def _checked_record(record: object) -> tuple[str, str, str]:
    if isinstance(record, (tuple, list)) and len(record) == 3:
        name, kind, data = record
    else:
        raise TopologyError(
            f"a DNS record is (name, type, data), such as ('example.com', 'MX', "
            f"'10 mail.example.com'), not {record!r}"
        )
    kind = str(kind).upper()
    if kind not in _RECORD_TYPES:
        raise TopologyError(
            f"DNS record {record!r}: the type must be one of {', '.join(_RECORD_TYPES)}"
        )
    if kind == "PTR" and isinstance(name, str):
        with contextlib.suppress(ValueError):  # an address, as one would write it
            name = ip_address(name).reverse_pointer
    check_domain(name)
    return name.lower().rstrip("."), kind, _checked_data(record, kind, str(data).strip())


def _check_aliases(records: Iterable[tuple[str, str, str]]) -> None:
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
    if not data or "\n" in data or "\0" in data:
        raise TopologyError(f"DNS record {record!r}: the data must be one line")
    if kind in ("A", "AAAA"):
        wanted = IPv4Address if kind == "A" else IPv6Address
        try:
            address = ip_address(data)
        except ValueError:
            address = None
        if not isinstance(address, wanted):
            version = 4 if kind == "A" else 6
            raise TopologyError(f"DNS record {record!r}: the data must be an IPv{version} address")
        return str(address)
    if kind in ("TXT", "CAA"):
        longest = 255  # of one character string, RFC 1035 section 3.3
        if kind == "CAA" and len(data.split(None, 2)) != 3:
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


_DNSMASQ = """\
# No resolv.conf, no /etc/hosts, nobody to ask: what stands here is all there is.
no-resolv
no-hosts
no-poll
local-ttl=60
cache-size=0
port=53
user=root
pid-file=/run/dnsmasq.pid
log-queries
log-facility=/var/log/dnsmasq.log
dns-forward-max=1000

# Any other name does not exist.
address=/#/
"""


def _configure_dns(settings: DNS, context: ServiceContext) -> tuple[File, ...]:
    records = dict.fromkeys((*context.records, *settings.records))
    lines = _dnsmasq_lines(_checked_record(record) for record in records)
    return (File("/etc/dnsmasq.conf", (_DNSMASQ + "".join(f"{x}\n" for x in lines)).encode()),)


# dnsmasq(8): each type has an option of its own.
def _dnsmasq_lines(records: Iterable[tuple[str, str, str]]) -> list[str]:
    lines: list[str] = []
    for name, kind, data in records:
        if kind in ("A", "AAAA"):
            # Answers the reverse question as well, with the first name given.
            lines.append(f"host-record={name},{data}")
        elif kind == "CNAME":
            lines.append(f"cname={name},{data}")
        elif kind == "PTR":
            lines.append(f"ptr-record={name},{data}")
        elif kind == "MX":
            preference, host = data.split()
            lines.append(f"mx-host={name},{host},{preference}")
        elif kind == "TXT":
            lines.append(f"txt-record={name},{_quoted(data)}")
        elif kind == "SRV":
            priority, weight, port, host = data.split()
            lines.append(f"srv-host={name},{host},{port},{priority},{weight}")
        elif kind == "CAA":
            flags, tag, value = data.split(None, 2)
            lines.append(f"caa-record={name},{flags},{tag},{_quoted(value)}")
        elif kind == "NS":
            lines.append(f"dns-rr={name},2,{_wire_name(data).hex()}")
    return lines


def _quoted(data: str) -> str:
    text = data.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _wire_name(name: str) -> bytes:
    # RFC 1035 section 3.1: each label after its length, then an empty label.
    labels = [label for label in name.split(".") if label]
    return b"".join(bytes((len(x),)) + x.encode("ascii") for x in labels) + b"\0"


# A query for `playground. A`; any answer to it, "no such name" too, has our
# number and the QR bit: RFC 1035 section 4.1.1.
_DNS_QUERY = b"pg\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0aplayground\x00\x00\x01\x00\x01"
_DNS_QUERY_TCP = len(_DNS_QUERY).to_bytes(2, "big") + _DNS_QUERY

DNS_ROW = ServiceRow(
    name="dns",
    settings=DNS,
    layer="dns",
    programs=("dnsmasq",),
    ports=(Port(53, "udp"), Port(53, "tcp")),
    probes=(
        Probe(53, "udp", send=_DNS_QUERY, expect=r"pg[\x80-\xff]"),
        Probe(53, "tcp", send=_DNS_QUERY_TCP, expect=r"(?s)..pg[\x80-\xff]"),
    ),
    logs=("/var/log/dnsmasq.log",),
    configure=_configure_dns,
    processes=2,
    accounts=("dnsmasq",),
)
