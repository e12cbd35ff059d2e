"""A node's rules as nft(8) commands: one ruleset, loaded in one step.

Text only: what goes in are the shapes of a plan, with names of interfaces and
addresses, and what comes out is read by ``nft -f -``.  Loading a ruleset replaces
what an earlier one of ours did in that node, and touches no other table.  The
comment of a rule is its number, or says in a word why it is there: by it the
kernel's counts find back to what was declared.

"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from playground.planning.plan_parts import FilterPlan, ForwardPlan, NatPlan

TABLE = "playground"

# What takes away all rules of ours: declared first, so that it is there to delete.
NO_RULES = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
# Marks, within the router only, the first packet of a connection from inside
# to a forwarded port, from one netfilter hook to the next.
HAIRPIN_MARK = "0x70670001"
# Where logged packets go, nfnetlink_log's group (the kernel's own log is the machine's).
LOG_GROUP = 7067
# IANA's ports for FTP's control connection, to which a data connection is "related",
# and for TFTP, whose server answers from a port of its own (RFC 1350 section 4).
HELPERS = {"ftp": ("tcp", 21), "tftp": ("udp", 69)}
# RFC 4787 REQ-5 wants a UDP mapping to last 5 minutes.
CONE_S = 300

# What rules that nobody told have for a comment, and what they take, in words.
ESTABLISHED = "established"
WORDS = {
    ESTABLISHED: "established connections",
    "loopback": "within the machine",
    "neighbours": "IPv6 neighbour discovery",
    "answers": "answers to what began inside",
    "forwarded": "forwarded by NAT",
    "outside": "begins outside",
    "default": "all else",
}


def make_ruleset(nat: NatPlan | None, filters: FilterPlan) -> str:
    """Return the nft commands of one node, "" if it was told nothing.

    >>> print(make_ruleset(NatPlan((UplinkPlan("eth0"),)), FilterPlan()))
    table inet playground
    delete table inet playground
    table inet playground {
    ...

    """
    chains = [*_nat_chains(nat)] if nat is not None else []
    chains += [
        _chain(name, f"filter hook {name} priority filter", lines, policy)
        for name in ("input", "forward", "output")
        for lines, policy in [_filter_lines(name, nat, filters)]
        if lines
    ]
    if not chains:
        return ""
    # Adding before deleting makes the deletion succeed the first time too.
    head = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    body = [line for chain in chains for line in ("", *chain)]
    return "\n".join([*head, *body[1:], "}"]) + "\n"


def as_shell(ruleset: str) -> str:
    """Return a ruleset as a command that one could type.

    >>> print(as_shell("table inet playground\\n"))
    nft -f - <<'END'
    table inet playground
    END

    """
    return f"nft -f - <<'END'\n{ruleset}END"


def rule_as_shell(chain: str, line: str) -> str:
    """Return the command that adds one rule at the end of its chain.

    >>> rule_as_shell("input", "tcp dport 80 counter accept")
    "nft 'add rule inet playground input tcp dport 80 counter accept'"

    """
    return f"nft {shlex.quote(f'add rule inet {TABLE} {chain} {line}')}"


def nft_set(items: Iterable[str]) -> str:
    """Return items as nft takes one or several.

    >>> nft_set(["80"]), nft_set(["80", "443"])
    ('80', '{ 80, 443 }')

    """
    found = list(items)
    return found[0] if len(found) == 1 else "{ " + ", ".join(found) + " }"


def quoted(names: Iterable[str]) -> str:
    """Return names of interfaces as nft takes them."""
    return nft_set(f'"{name}"' for name in names)


def rule_lines(filters: FilterPlan, nat: NatPlan | None, chain: str) -> list[tuple[str, str]]:
    """Return the rules of a chain as pairs of comment and text, in their order."""
    lines, _ = _filter_lines(chain, nat, filters)
    return [(line.rpartition(' comment "')[2].rstrip('"'), line) for line in lines]


def _chain(name: str, hook: str, lines: Iterable[str], policy: str = "accept") -> list[str]:
    return [
        f"\tchain {name} {{",
        f"\t\ttype {hook}; policy {policy};",
        *(f"\t\t{line}" for line in lines),
        "\t}",
    ]


# -- filtering ---------------------------------------------------------------


def _filter_lines(chain: str, nat: NatPlan | None, filters: FilterPlan) -> tuple[list[str], str]:
    """Return the rules of one filter chain, in order, and its policy."""
    own = [line for rule in filters.rules if rule.chain == chain for line in rule.lines]
    default = filters.default(chain)
    told = bool(own) or default is not None
    translates = nat is not None and chain == "forward"
    if not told and not translates:
        return [], "accept"
    known = default is None or default.established
    lines = []
    if chain != "forward":
        way = "iifname" if chain == "input" else "oifname"
        lines.append(f'{way} "lo" counter accept comment "loopback"')
    if known:
        lines.append(f'ct state established,related counter accept comment "{ESTABLISHED}"')
    if chain != "forward":
        # Without it no IPv6 address has a MAC: RFC 4890 section 4.4.1.
        lines.append(
            "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
            'nd-neighbor-advert } counter accept comment "neighbours"'
        )
    lines += own
    if translates and nat is not None:
        lines += _kept_outside(nat, known)
    if default is None:
        return lines, "accept"
    lines.append(f'counter {default.verdict} comment "default"')
    return lines, "accept" if default.verdict == "accept" else "drop"


def _kept_outside(nat: NatPlan, known: bool) -> Iterator[str]:
    """Yield what NAT asks of the forward chain, in IPv6 too, where nothing is translated."""
    outside = quoted(uplink.interface for uplink in nat.uplinks)
    if not known:
        yield (f'iifname {outside} ct state established,related counter accept comment "answers"')
    if nat.opens:
        yield 'ct status dnat counter accept comment "forwarded"'
    yield f'iifname {outside} counter drop comment "outside"'


# -- translation -------------------------------------------------------------


def _nat_chains(nat: NatPlan) -> Iterator[list[str]]:
    """Yield what translates addresses.

    What begins inside may go out, and its answers come in; what begins at an
    uplink goes nowhere but to the forwards.  A host inside reaches a forward by
    the router's outside address as well.  With their helpers FTP's data
    connections, active or passive, and TFTP's answers are let through and
    translated where the first packet goes to port 21 or 69.

    """
    cones = [uplink.interface for uplink in nat.uplinks if uplink.kind == "full-cone"]
    for number, _ in enumerate(cones):
        yield [
            f"\tmap cone{number} {{",
            "\t\ttype inet_service : ipv4_addr . inet_service",
            "\t\tsize 65535",
            f"\t\ttimeout {CONE_S}s",
            "\t}",
        ]
    yield from _helpers(nat)
    incoming = [rule for forward in nat.forwards for rule in _destination(forward)]
    for pair in nat.one_to_one:
        to = f"dnat ip to {pair.inside}"
        match = f"ip daddr {pair.outside}"
        incoming += [
            f'iifname != "{pair.interface}" {match} meta mark set {HAIRPIN_MARK} {to}',
            f'iifname "{pair.interface}" {match} {to}',
        ]
    incoming += [
        f'iifname "{name}" fib daddr type local dnat ip to udp dport map @cone{number}'
        for number, name in enumerate(cones)
    ]
    yield _chain("prerouting", "nat hook prerouting priority dstnat", incoming)
    outgoing = [
        f'oifname "{pair.interface}" ip saddr {pair.inside} snat ip to {pair.outside}'
        for pair in nat.one_to_one
    ]
    for words, names in _masquerades(nat).items():
        outgoing.append(f"oifname {quoted(names)} meta nfproto ipv4 {words}")
    if nat.forwards or nat.one_to_one:
        outgoing.append(f"meta mark {HAIRPIN_MARK} masquerade")
    yield _chain("postrouting", "nat hook postrouting priority srcnat", outgoing)
    if cones:
        # After the translation, so that the port is the one seen outside.
        yield _chain(
            "remember",
            "filter hook postrouting priority srcnat + 1",
            [
                f'oifname "{name}" meta l4proto udp ct direction original update @cone{number} '
                f"{{ udp sport timeout {CONE_S}s : ct original ip saddr . ct original proto-src }}"
                for number, name in enumerate(cones)
            ],
        )


def _masquerades(nat: NatPlan) -> dict[str, list[str]]:
    """Return how interfaces translate what leaves, and which of them do it so."""
    found: dict[str, list[str]] = {}
    for uplink in nat.uplinks:
        words = "masquerade" if uplink.address is None else f"snat ip to {uplink.address}"
        # nft(8): the port is drawn anew for each connection.
        words += " fully-random" if uplink.kind == "symmetric" else ""
        found.setdefault(words, []).append(uplink.interface)
    return found


def _helpers(nat: NatPlan) -> Iterator[list[str]]:
    """Yield the chain that hands first packets of FTP and TFTP to their helpers.

    Linux assigns no helper by itself since 6.0 (nf_conntrack_helper is gone);
    nft(8), "ct helper".  It must be set before the connection is confirmed and
    after its lookup (priority -200); after dstnat (-100), a forward to port 21
    shows the host's port as well.

    """
    rules = []
    for name in nat.helpers:
        protocol, port = HELPERS[name]
        yield [f"\tct helper {name} {{", f'\t\ttype "{name}" protocol {protocol};', "\t}"]
        # A forward from that port to another is the same protocol.
        ports = [port]
        ports += [f.to_port for f in nat.forwards if (f.protocol, f.port) == (protocol, port)]
        several = nft_set(map(str, dict.fromkeys(ports)))
        rules.append(f'{protocol} dport {several} ct helper set "{name}"')
    if rules:
        yield _chain("helpers", "filter hook prerouting priority filter", rules)


def _destination(forward: ForwardPlan) -> list[str]:
    """Return the rules of one forward: for what comes from inside, and from outside."""
    to = f"{forward.to}:{forward.to_port}"
    addresses = nft_set(map(str, forward.addresses))
    match = f"ip daddr {addresses} {forward.protocol} dport {forward.port}"
    return [
        # Its answers must come back through the router, to be translated back:
        # so the router puts itself in the place of the host that asks.
        f'iifname != "{forward.interface}" {match} meta mark set {HAIRPIN_MARK} dnat ip to {to}',
        f'iifname "{forward.interface}" {match} dnat ip to {to}',
    ]
