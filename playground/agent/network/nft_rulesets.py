"""Rulesets given to nft(8), and what their rules have counted."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from playground.agent.kernel.netfilter import (
    NETLINK_NETFILTER,
    NFPROTO_INET,
    big_endian,
    netfilter_body,
)
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    Message,
    Netlink,
    NetlinkError,
    attribute,
    attributes,
    plain_text,
    text_attribute,
)
from playground.agent.nodes.entering import enter_network
from playground.agent.protocol import Request

# linux/netfilter/nf_tables.h, nfnetlink.h
NFT_MSG_GETTABLE = 0x0A01
NFT_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NFT_MSG_GETRULE = 0x0A07
NFTA_RULE_TABLE = 1

# An expression that counts, and what precedes its numbers (NFTA_COUNTER_*).
_COUNTER = attribute(1, b"counter\0")
_COUNTER_BYTES = struct.pack("HH", 12, 1)
_COUNTER_PACKETS = struct.pack("HH", 12, 2)
# NFTA_RULE_USERDATA, and in it libnftnl's type 0, a comment; its length follows.
_COMMENT = struct.pack("H", 7) + b"\0"


def firewall(nodes: Sequence[Request]) -> list[int]:
    running: list[tuple[Request, int, int]] = []
    others: list[int] = []
    try:
        for node in nodes:
            enter_network(node["pid"])
            table = node.get("table", "playground")
            if "edit" in node:
                found = _edited(node["edit"], table)
                if found is None:
                    others.append(node["pid"])
                    continue
                text = found
            else:
                text = _counting_on(node["ruleset"], table)
            running.append((node, *start_nft(["-f", "-"], text)))
        while running:
            node, process, output = running[0]
            status, said = ended_nft(process, output)
            del running[0]
            if status != 0:
                raise OSError(
                    errno.EINVAL,
                    f"nft refused the rules of the node of pid {node['pid']}:\n{said.strip()}",
                )
    finally:
        for _, process, _ in running:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    return others


def start_nft(arguments: Sequence[str], text: str = "") -> tuple[int, int]:
    """Start nft in the present network namespace; return its number and its output.

    Both its files are in memory, so that it waits for nobody.  To import subprocess and
    tempfile takes as long as nft does for a small ruleset.

    """
    rules, output = os.memfd_create("rules"), os.memfd_create("said")
    try:
        left = memoryview(text.encode())
        while left:
            left = left[os.write(rules, left) :]
        os.lseek(rules, 0, os.SEEK_SET)
        process = os.posix_spawnp(
            "nft",
            ["nft", *arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, rules, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
        )
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(rules)
    return process, output


def ended_nft(process: int, output: int) -> tuple[int, str]:
    """Wait for nft; return its exit status and what it has said."""
    _, status = os.waitpid(process, 0)
    with open(output, "rb") as said:
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode("utf-8", "replace")


class CountingRule(NamedTuple):
    """A rule of an inet table that counts, as the kernel has it."""

    chain: str
    comment: str
    packets: int
    size_bytes: int
    handle: int


def rule_counts(pid: int, table: str = "playground") -> list[tuple[str, str, int, int]]:
    enter_network(pid)
    return [rule[:4] for rule in _counting_rules(table)]


def _counting_rules(table: str) -> list[CountingRule]:
    """Read the rules of a table of the present network namespace, with what they have counted."""
    netlink = Netlink(None, NETLINK_NETFILTER)
    body = netfilter_body(NFPROTO_INET, text_attribute(NFTA_RULE_TABLE, table))
    try:
        rules = netlink.ask(Message(NFT_MSG_GETRULE, NLM_F_DUMP, body, "list rules"))
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
        return []  # no such table
    finally:
        netlink.close()
    # Read as bytes, for a thousand rules have ten thousand attributes.  They stand as in
    # nf_tables_fill_rule_info(): table, chain, ..., expressions, and last the comment.
    first = attribute(NFTA_RULE_TABLE, table.encode() + b"\0")
    chain = 4 + len(first) + 4
    found = []
    for rule in rules:
        counter = rule.find(_COUNTER, chain)
        # The dump of a kernel before 5.7 holds other tables too.
        if counter < 0 or not rule.startswith(first, 4):
            continue
        size = rule.index(_COUNTER_BYTES, counter + len(_COUNTER)) + 4
        packets = rule.index(_COUNTER_PACKETS, size + 8) + 4
        comment = rule.rfind(_COMMENT, packets)
        end = rule.index(b"\0", chain)
        # Attributes begin where a number can be divided by 4.
        handle = (end + 4) // 4 * 4 + 4
        found.append(
            CountingRule(
                rule[chain:end].decode(),
                rule[comment + 4 :].rstrip(b"\0").decode() if comment > 0 else "",
                big_endian(rule[packets : packets + 8]),
                big_endian(rule[size : size + 8]),
                big_endian(rule[handle : handle + 8]),
            )
        )
    return found


def _counting_on(ruleset: Sequence[str | Sequence[str]], table: str) -> str:
    """Return a ruleset as text, whose counters begin where those that it replaces stand."""
    counts: dict[tuple[str, str], deque[tuple[int, int]]] = {}
    if any(not isinstance(part, str) for part in ruleset):
        for chain, comment, packets, size, _ in _counting_rules(table):
            # A rule may have a line for each address family.
            counts.setdefault((chain, comment), deque()).append((packets, size))
    text = []
    for part in ruleset:
        if isinstance(part, str):
            text.append(part)
            continue
        chain, comment = part
        known = counts.get((chain, comment))
        packets, size = known.popleft() if known else (0, 0)
        text.append(f"counter packets {packets} bytes {size}" if packets else "counter")
    return "".join(text)


def _edited(edit: Request, table: str) -> str | None:
    """Return commands that edit a ruleset, None where other rules are there than are known."""
    comments: dict[str, list[str]] = {}
    handles: dict[tuple[str, str], list[int]] = {}
    for rule in _counting_rules(table):
        comments.setdefault(rule.chain, []).append(rule.comment)
        handles.setdefault((rule.chain, rule.comment), []).append(rule.handle)
    there = {chain: zlib.crc32("\n".join(several).encode()) for chain, several in comments.items()}
    if there != edit["known"]:
        return None
    commands = [
        f"delete rule inet {table} {chain} handle {handle}"
        for chain, comment in edit["remove"]
        for handle in handles[chain, comment]
    ]
    for chain, before, text in edit["insert"]:
        if before is None:
            commands.append(f"add rule inet {table} {chain} {text}")
        else:
            handle = handles[chain, before][0]
            commands.append(f"insert rule inet {table} {chain} handle {handle} {text}")
    return "\n".join([edit["translations"], *commands, ""])


def ruleset(pid: int) -> str:
    enter_network(pid)
    status, said = ended_nft(*start_nft(["list", "ruleset"]))
    if status != 0:
        raise OSError(errno.EINVAL, f"nft cannot list the rules: {said.strip()}")
    return said


def filter_tables(pid: int) -> list[list[str]]:
    """Return family and name of each nftables table of the present network namespace."""
    try:
        netlink = Netlink(pid, NETLINK_NETFILTER)
    except OSError:
        return []
    try:
        body = netfilter_body(socket.AF_UNSPEC)
        answers = netlink.ask(Message(NFT_MSG_GETTABLE, NLM_F_DUMP, body, "list tables"))
    except OSError:
        return []  # a kernel without nftables
    finally:
        netlink.close()
    return [
        [NFT_FAMILIES.get(answer[0], str(answer[0])), plain_text(attributes(answer[4:]).get(1))]
        for answer in answers
    ]
