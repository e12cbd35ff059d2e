"""An authoritative name server, NLnet Labs' nsd: its files, and its row."""

from __future__ import annotations

from collections.abc import Iterator

from playground.model.services.dns import DNS
from playground.model.services.settings import File, Port, ServedZone, ServiceContext, ServiceRow

_FOLDER = "/etc/nsd"
_STATE = "/var/lib/nsd"

# nsd.conf(5)
_CONF = """\
# Zones are the files in /etc/nsd/zones, or in /var/lib/nsd where they are signed.
server:
    zonesdir: ""
    username: ""
    logfile: "/var/log/nsd.log"
    pidfile: "/run/nsd.pid"
    xfrdfile: "/var/lib/nsd/xfrd.state"
    zonelistfile: "/var/lib/nsd/zone.list"
    xfrdir: "/run"
    database: ""
    server-count: 1
    # A secondary has its zones on disk too, for when it starts and its primary is gone.
    zonefiles-write: 1
    verbosity: 1
    rrl-ratelimit: 0
    identity: "{name}"
{addresses}remote-control:
    control-enable: yes
    control-interface: /run/nsd.ctl
"""

# ldns-signzone(1) writes RRSIG, NSEC and DNSKEY records beside the others.  The two last
# arguments are the files of the keys, without their ends.
_RUN = """\
#!/bin/sh
mkdir -p /var/lib/nsd
for keys in /etc/nsd/keys/*; do
    [ -d "$keys" ] || continue
    zone=${keys##*/}
    ldns-signzone -o "$(cat "$keys/zone")" -f "/var/lib/nsd/$zone.signed" \\
        "/etc/nsd/zones/$zone" "$keys/ksk" "$keys/zsk" >>/var/log/nsd.log 2>&1
done
exec chpst -P /usr/sbin/nsd -d -P /run/nsd.pid -c /etc/nsd/nsd.conf
"""


def file_name(zone: str) -> str:
    """Return how the file of a zone is called: "@" that of the root, which no other can have.

    >>> file_name("example.com."), file_name(".")
    ('example.com', '@')

    """
    return zone.rstrip(".") or "@"


def _configure_zones(settings: DNS, context: ServiceContext) -> tuple[File, ...]:
    # A host with several addresses answers from the one that was asked.
    addresses = "".join(f"    ip-address: {item}\n" for item in (*context.addresses, "127.0.0.1"))
    conf = _CONF.format(name=context.name, addresses=addresses)
    files = [File("/etc/sv/nsd/run", _RUN.encode(), 0o755)]
    for zone in context.zones:
        name = file_name(zone.name)
        if zone.text is not None:
            files.append(File(f"{_FOLDER}/zones/{name}", zone.text.encode()))
        if zone.keys:
            keys = (("zone", zone.name), *zone.keys)
            files += [
                File(f"{_FOLDER}/keys/{name}/{key}", text.encode(), 0o600) for key, text in keys
            ]
        conf += "".join(f"{line}\n" for line in _zone_lines(zone))
    if settings.secondaries:
        # A zone that has changed at its primary is fetched at once.
        serials = "".join(f"{line}\n" for line in context.zone_serials)
        files.append(File(f"{_FOLDER}/serials", serials.encode(), live=_fetch))
    return (File(f"{_FOLDER}/nsd.conf", conf.encode()), *files)


def _fetch(old: bytes, new: bytes) -> list[str]:
    """Return what lets a secondary ask its primaries for changes: nsd-control(8)."""
    return ["nsd-control", "-c", f"{_FOLDER}/nsd.conf", "transfer"]


def _zone_lines(zone: ServedZone) -> Iterator[str]:
    name = file_name(zone.name)
    place = f"{_FOLDER}/zones/{name}"
    if zone.keys or zone.text is None:
        place = f"{_STATE}/{name}.{'signed' if zone.keys else 'fetched'}"
    yield "zone:"
    yield f'    name: "{zone.name}"'
    yield f'    zonefile: "{place}"'
    for address in zone.primaries:
        yield f"    request-xfr: AXFR {address} NOKEY"
        yield f"    allow-notify: {address} NOKEY"
    for address in zone.secondaries:
        yield f"    provide-xfr: {address} NOKEY"
        yield f"    notify: {address} NOKEY"
    if zone.transfer:
        yield "    provide-xfr: 0.0.0.0/0 NOKEY"
        yield "    provide-xfr: ::/0 NOKEY"


ZONES_ROW = ServiceRow(
    name="zones",
    settings=DNS,
    layer=None,
    programs=("nsd",),
    ports=(Port(53, "udp"), Port(53, "tcp")),
    probes=(),
    logs=("/var/log/nsd.log",),
    configure=_configure_zones,
    processes=4,
    accounts=("nsd",),
    packages=("ldnsutils", "nsd"),
)
