"""The name server: its settings, the records that it takes, and its row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, fields

from playground.errors import TopologyError
from playground.model.arguments import check_flag, check_iterable, is_list, is_whole, shown
from playground.model.records import dataclass
from playground.model.services.dns_records import (
    SOA,
    check_aliases,
    check_domain,
    checked_record,
    checked_zone,
    checked_zone_record,
    lies_in,
    question,
    quoted,
    wire_name,
)
from playground.model.services.settings import (
    File,
    Port,
    Probe,
    ServiceContext,
    ServiceRow,
    ServiceSettings,
    set_field,
)

_MOST_TTL_S = 2**31 - 1  # RFC 2181 section 8


@dataclass(frozen=True)
class DNS(ServiceSettings):
    """A name server on port 53.

    ``DNS()`` knows every name of the lab, and all hosts ask it.  ``records`` adds more, each
    as owner, type and data in the form of a zone file:
    ``DNS(records=[("example.com", "MX", "10 mail.example.com")])``, of the types A AAAA CNAME
    MX NS PTR SRV TXT CAA.  Every other name does not exist.

    ``DNS(zone="com.")`` is an authoritative server of one zone, or of several, in a tree as
    the Internet has it (RFC 1034), from the root ``DNS(zone=".")`` down; hosts ask a
    `Resolver`, which walks it.  A zone has the address of each host whose name lies in it and in
    no zone below, a delegation with glue for each zone below, and ``records`` of any type,
    wildcards too, which stand in place of what the lab would write.  ``secondary`` names zones
    that this host fetches from their primary server (RFC 5936) and serves as well.

    ``dnssec`` signs its zones by keys made for the lab (RFC 4033), and a signed zone above has
    their DS records.  ``server`` is what NS records call this host, by default its name:
    where several hosts share one address, one name.  ``transfer`` lets anybody fetch whole
    zones, else only secondaries may.  ``ttl_s`` is how long its answers may be kept.

    Raises `TopologyError` for data that its type cannot have, and for a record outside of its
    zones.

    >>> Host("ns.example.com", services=[DNS(zone="example.com.", dnssec=True)])
    Host('ns.example.com', services=['zones'])

    """

    records: Sequence[tuple[str, str, str]] = ()
    zone: str | Sequence[str] | None = None
    secondary: str | Sequence[str] | None = None
    server: str | None = None
    dnssec: bool = False
    transfer: bool = False
    ttl_s: int = 3600
    service: str = field(default="dns", init=False, repr=False)

    def __post_init__(self) -> None:
        example = 'records=[("example.com", "MX", "10 mail.example.com")]'
        records = check_iterable("DNS: records", self.records, example, TopologyError)
        for name in ("zone", "secondary"):
            set_field(self, name, _zones(f"DNS: {name}", getattr(self, name)))
        check_flag("DNS: dnssec", self.dnssec, TopologyError)
        check_flag("DNS: transfer", self.transfer, TopologyError)
        if not is_whole(self.ttl_s, 0, _MOST_TTL_S):
            raise TopologyError(
                f"DNS: ttl_s={shown(self.ttl_s)} is no whole number of seconds; write ttl_s=300"
            )
        if self.zones or self.secondaries:
            set_field(self, "service", "zones")
            set_field(self, "records", tuple(self._zone_record(item) for item in records))
            self._check_zones()
        else:
            said = ["server"] if self.server is not None else []
            said += [name for name in ("dnssec", "transfer") if getattr(self, name)]
            if said:
                raise TopologyError(
                    f"DNS: {said[0]}= is for a server of zones; write zone= as well, as in "
                    'DNS(zone="example.com.")'
                )
            set_field(self, "records", tuple(checked_record(record) for record in records))
        check_aliases(self.records)

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones whose primary server it is, each with its last dot; empty for a plain DNS()."""
        return tuple(self.zone or ())

    @property
    def secondaries(self) -> tuple[str, ...]:
        """The zones that it fetches from another."""
        return tuple(self.secondary or ())

    def zone_of(self, owner: str) -> str | None:
        """Return which of its own zones a record with this owner is in: the deepest."""
        found = [zone for zone in self.zones if lies_in(owner, zone)]
        return max(
            found, key=lambda zone: zone.rstrip(".").count(".") + (zone != "."), default=None
        )

    def fitted(self, row: ServiceRow) -> ServiceRow:
        """Return the row with a question for each zone: an answer with authority (RFC 1035, AA)."""
        probes = tuple(
            Probe(53, "udp", send=question(zone, SOA), expect=r"(?s)pg[\x84-\x87]\x00")
            for zone in (*self.zones, *self.secondaries)
        )
        return row._replace(probes=probes) if probes else row

    def __repr__(self) -> str:
        default = {item.name: item.default for item in fields(self)}
        said = [f"records={self.records!r}"]
        said += [
            f"{name}={getattr(self, name)!r}"
            for name in ("zone", "secondary", "server", "dnssec", "transfer", "ttl_s")
            if getattr(self, name) != default[name]
        ]
        return f"DNS({', '.join(said)})"

    def _zone_record(self, record: object) -> tuple[str, str, str]:
        checked = checked_zone_record(record)
        if self.zone_of(checked[0]) is None:
            mine = ", ".join(self.zones) or "none"
            raise TopologyError(
                f"DNS record {shown(record)} lies in none of this server's zones ({mine}); write "
                'the whole name, as in "www.example.com"'
            )
        return checked

    def _check_zones(self) -> None:
        if self.server is not None:
            check_domain(self.server)
            set_field(self, "server", self.server.lower().rstrip("."))
        for zone in self.zones:
            if zone in self.secondaries:
                raise TopologyError(
                    f"DNS: {zone} is in zone= and in secondary=; a server is one or the other"
                )
        if self.dnssec and not self.zones:
            raise TopologyError(
                "DNS: dnssec=True signs the zones of a primary server, and this has none; write it "
                "where zone= stands"
            )


def _zones(here: str, value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    several = list(value) if is_list(value) else [value]
    found = tuple(dict.fromkeys(checked_zone(here, item) for item in several))
    if not found:
        raise TopologyError(f"{here} is empty; name a zone, or leave it out")
    return found


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
    lines = _dnsmasq_lines(checked_record(record) for record in records)
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
            lines.append(f"txt-record={name},{quoted(data)}")
        elif kind == "SRV":
            priority, weight, port, host = data.split()
            lines.append(f"srv-host={name},{host},{port},{priority},{weight}")
        elif kind == "CAA":
            flags, tag, value = data.split(None, 2)
            lines.append(f"caa-record={name},{flags},{tag},{quoted(value)}")
        elif kind == "NS":
            lines.append(f"dns-rr={name},2,{wire_name(data).hex()}")
    return lines


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
