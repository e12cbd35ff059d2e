"""One look at what passes: counters and queues of interfaces, TCP's view of its connections."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence

from playground.agent.links.interfaces import (
    IFLA_IFNAME,
    RTM_GETLINK,
    interface_index,
    interface_row,
    link_body,
)
from playground.agent.links.netlink import (
    NLM_F_DUMP,
    NLM_F_ECHO,
    Message,
    Netlink,
    attributes,
    in_each,
    text_attribute,
)
from playground.agent.links.queues import RTM_GETQDISC, TC_H_ROOT, queue_body
from playground.agent.network.listening import NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, TCP_LISTEN
from playground.agent.network.routes import ADDRESS_BYTES
from playground.agent.protocol import Request

# linux/rtnetlink.h, linux/gen_stats.h: struct gnet_stats_queue
TCA_STATS2 = 7
TCA_STATS_QUEUE = 3
# linux/inet_diag.h, net/tcp_states.h
INET_DIAG_INFO = 2
TCP_TIME_WAIT = 6
TCP_SYN_RECV_NEW = 12
# Those that have no window: what listens, and what is only remembered.
_ALL_STATES = (1 << 13) - 1
_WANTED_STATES = _ALL_STATES & ~(1 << TCP_LISTEN | 1 << TCP_TIME_WAIT | 1 << TCP_SYN_RECV_NEW)

# struct tcp_info of linux/tcp.h: eight bytes of states, then words of 32 bits, in this order.
_WORDS = (
    "rto_us",
    "ato_us",
    "snd_mss",
    "rcv_mss",
    "unacked",
    "sacked",
    "lost",
    "retrans",
    "fackets",
    "last_data_sent",
    "last_ack_sent",
    "last_data_recv",
    "last_ack_recv",
    "pmtu",
    "rcv_ssthresh",
    "rtt_us",
    "rttvar_us",
    "snd_ssthresh",
    "snd_cwnd",
    "advmss",
    "reordering",
    "rcv_rtt",
    "rcv_space",
    "total_retrans",
)


def sample(ends: Sequence[Request], pids: Sequence[int]) -> Request:
    interfaces = [_interface(end, netlink) for end, netlink in in_each(ends)]
    connections = []
    for pid in pids:
        netlink = Netlink(pid, NETLINK_SOCK_DIAG)
        connections.append([*_connections(netlink)])
        netlink.close()
    return {"time_s": time.monotonic(), "interfaces": interfaces, "connections": connections}


def _interface(end: Request, netlink: Netlink) -> Request:
    name = end["interface"]
    body = link_body() + text_attribute(IFLA_IFNAME, name)
    [answer] = netlink.ask(Message(RTM_GETLINK, 0, body, f"look at the interface {name}"))
    counted, time_s = interface_row(answer)["statistics"], time.monotonic()
    question = queue_body(interface_index(name), TC_H_ROOT)
    # Without the flag the answer goes to those who watch, and not to who has asked.
    found = netlink.ask(Message(RTM_GETQDISC, NLM_F_ECHO, question, f"look at a queue of {name}"))
    waiting = (0, 0, 0)
    for answer in found[:1]:
        statistics = attributes(attributes(answer[20:]).get(TCA_STATS2, b""))
        if TCA_STATS_QUEUE in statistics:
            waiting = struct.unpack_from("III", statistics[TCA_STATS_QUEUE])
    return {
        "time_s": time_s,
        "tx_bytes": counted["tx_bytes"],
        "tx_packets": counted["tx_packets"],
        "dropped": counted["tx_dropped"] + waiting[2],
        "queue_packets": waiting[0],
        "queue_bytes": waiting[1],
    }


def _connections(netlink: Netlink) -> Iterator[Request]:
    for family, size in ADDRESS_BYTES.items():
        # struct inet_diag_req_v2
        body = struct.pack(
            "BBBxI48x", family, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), _WANTED_STATES
        )
        question = Message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, body, "look at connections of TCP")
        for answer in netlink.ask(question):
            # struct inet_diag_msg
            ports = struct.unpack_from(">HH", answer, 4)
            info = attributes(answer[72:]).get(INET_DIAG_INFO, b"")
            count = min(len(_WORDS), (len(info) - 8) // 4)
            if count < len(_WORDS):
                continue
            words = dict(zip(_WORDS, struct.unpack_from(f"{count}I", info, 8), strict=True))
            [acked] = struct.unpack_from("Q", info, 120) if len(info) >= 128 else [0]
            yield {
                "state": info[0],
                "source": socket.inet_ntop(family, answer[8 : 8 + size]),
                "source_port": ports[0],
                "destination": socket.inet_ntop(family, answer[24 : 24 + size]),
                "destination_port": ports[1],
                "acked_bytes": acked,
                **words,
            }
