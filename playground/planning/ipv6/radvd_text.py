"""Text of radvd.conf(5): what the daemon of router advertisements sends, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from playground.model.ipv6.advertising import INTERVAL_S
from playground.planning.plan_parts import AdvertisementPlan

# RFC 4861 section 6.2.1: three seconds at least.
SHORTEST_INTERVAL_S = 3


def radvd_text(plans: Sequence[AdvertisementPlan]) -> str:
    """Return the text of radvd.conf(5) that sends these advertisements."""
    return "\n".join(line for item in plans for line in _lines(item)) + "\n"


def _lines(item: AdvertisementPlan) -> Iterator[str]:
    yield f"interface {item.interface} {{"
    yield "\tAdvSendAdvert on;"
    yield f"\tMinRtrAdvInterval {SHORTEST_INTERVAL_S};"
    yield f"\tMaxRtrAdvInterval {INTERVAL_S};"
    yield f"\tAdvManagedFlag {_flag(item.managed)};"
    yield f"\tAdvOtherConfigFlag {_flag(item.other)};"
    yield f"\tAdvDefaultLifetime {item.lifetime_s};"
    yield f"\tAdvDefaultPreference {item.preference};"
    for prefix in item.prefixes:
        yield f"\tprefix {prefix} {{ AdvOnLink on; AdvAutonomous {_flag(item.autonomous)}; }};"
    if item.rdnss:
        yield f"\tRDNSS {' '.join(map(str, item.rdnss))} {{ }};"
    if item.dnssl:
        yield f"\tDNSSL {' '.join(item.dnssl)} {{ }};"
    yield "};"


def _flag(value: bool) -> str:
    return "on" if value else "off"
