"""A firewall as the kernel has it: rules with what they counted, watched, as commands.

`RunningFirewall` adds to what a `Firewall` was told what the node it runs on says.

"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import Any

from playground.display.tables import Table, Tabular
from playground.errors import NotRunning
from playground.model.arguments import tells_wrong_calls
from playground.model.firewall import Firewall, Policy, Rule
from playground.model.records import dataclass
from playground.operations.connection.handles import LiveNode
from playground.operations.nodes.firewall_log import Watch
from playground.planning.nft_text import WORDS, as_shell, rule_as_shell, rule_lines
from playground.planning.plan import NodePlan


@dataclass(frozen=True)
class RuleRow:
    """One rule as the kernel has it, with what it has counted.

    ``number`` is None for what was not told but follows from it: established
    connections, defaults, what NAT keeps outside.  ``packets`` and ``bytes`` are
    None where the node does not run.  ``nft`` holds the rule in nft(8)'s words,
    a line for each address family.

    """

    number: int | None
    chain: str
    verdict: str
    match: str
    packets: int | None
    bytes: int | None
    comment: str = ""
    nft: tuple[str, ...] = field(default=(), repr=False)

    def as_shell(self) -> str:
        """Return the commands that would add this rule; "" on a node that does not run.

        >>> print(modem.firewall.rules()[1].as_shell())
        nft 'add rule inet playground forward tcp dport 25 counter drop comment "1"'

        """
        return "\n".join(rule_as_shell(self.chain, line) for line in self.nft)


@tells_wrong_calls
class RunningFirewall(Firewall, Tabular):
    """A firewall, of which the kernel can be asked."""

    _node: Any  # with the operations of `NodeOperations`

    # -- what the kernel says ------------------------------------------------

    def rules(self) -> Table[RuleRow]:
        """Return the rules as rows, in the order in which the kernel tries them.

        Packets and bytes are the kernel's own counts; on a node that does not
        run, only what was told is there, and nothing was counted.

        >>> modem.firewall.rules()
        number  chain    verdict  match                  packets  bytes  comment
                forward  accept   established                 12   1040
             1  forward  drop     from home, tcp, port 25      3    180

        """
        with self._lock:
            live = self._node._live
            if live is None:
                return Table(declared_rows(self.policy))
            return Table(live_rows(live, self.policy))

    def table(self) -> Table[RuleRow]:
        """Return what `rules` does: a notebook shows it."""
        return self.rules()

    def watch(self) -> Watch:
        """Watch the packets that `log` rules take, as they come.

        >>> modem.firewall.log(protocol="tcp", state="new")
        >>> with modem.firewall.watch() as log:
        ...     h1.run("curl -s http://www.example.com/")
        ...     log.next()
        Logged(rule=1, interface='eth0', out_interface='eth1', protocol='tcp', ...)

        Raises `PlaygroundError` if somebody watches the node already, or it has no
        python3; `NotRunning` before the lab is started.

        """
        return Watch(self._node)

    def as_shell(self) -> str:
        """Return the command that loads the node's whole ruleset, as it runs now.

        Raises `NotRunning` before the lab is started; ``lab.plan().node(name)``
        has the ``ruleset`` then.

        """
        live = self._node.running()
        if live.plan is None:
            raise NotRunning(f"{self._here}: nothing is known of how it runs")
        return as_shell(live.plan.ruleset)

    def ruleset(self) -> str:
        """Return all rules of the node as ``nft list ruleset`` prints them."""
        live = self._node.running()
        return str(live.agent.call("ruleset", pid=live.pid))


# -- rows --------------------------------------------------------------------


def declared_rows(policy: Policy) -> Iterator[RuleRow]:
    """Yield what a firewall that does not run was told, by chain."""
    for chain in ("input", "forward", "output"):
        for rule in policy.rules:
            if rule.chain == chain:
                yield _row(rule, None, None, ())
        default = policy.default(chain)
        if default is not None:
            yield RuleRow(None, chain, default.verdict, WORDS["default"], None, None)


def live_rows(live: LiveNode, policy: Policy) -> Iterator[RuleRow]:
    """Yield the rules of a running node, with what the kernel has counted."""
    counts = live.agent.call("rule_counts", pid=live.pid)
    assert live.plan is not None
    return counted_rows(live.plan, policy, counts)


def counted_rows(
    node: NodePlan, policy: Policy, counts: Iterable[tuple[str, str, int, int]]
) -> Iterator[RuleRow]:
    """Yield a node's rules in their order, with counts of (chain, comment, packets, bytes)."""
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for chain, comment, packets, size in counts:
        before = total.get((chain, comment), (0, 0))
        total[chain, comment] = (before[0] + packets, before[1] + size)
    rules = {rule.number: rule for rule in policy.rules}
    for chain in ("input", "forward", "output"):
        grouped = itertools.groupby(rule_lines(node.rules, chain), key=lambda line: line.comment)
        for comment, group in grouped:
            found = list(group)
            rule, verdict = found[0].rule, found[0].verdict
            lines = tuple(line.text for line in found)
            # A rule that somebody has taken away by hand counts nothing.
            packets, size = total.get((chain, comment), (0, 0))
            if rule is None:
                yield RuleRow(None, chain, verdict, WORDS[comment], packets, size, nft=lines)
            elif rule.number in rules:
                yield _row(rules[rule.number], packets, size, lines)
            else:
                # Taken away in a block that has not ended: the kernel has it still.
                yield RuleRow(
                    rule.number,
                    chain,
                    verdict,
                    found[0].match,
                    packets,
                    size,
                    rule.comment,
                    lines,
                )


def _row(rule: Rule, packets: int | None, size: int | None, lines: tuple[str, ...]) -> RuleRow:
    return RuleRow(
        rule.number, rule.chain, rule.verdict, rule.match, packets, size, rule.comment, lines
    )
