"""Options of queueing disciplines as the kernel takes and tells them; linux/pkt_sched.h."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from playground.agent.links.netem import share
from playground.agent.links.netlink import attribute, attributes
from playground.agent.links.queues import TICK_NS
from playground.agent.protocol import Request

Options = Callable[[Request, float | None], bytes]

# Attributes of each kind.
FQ_CODEL_TARGET, FQ_CODEL_LIMIT, FQ_CODEL_INTERVAL, FQ_CODEL_ECN, FQ_CODEL_FLOWS = 1, 2, 3, 4, 5
PIE_TARGET, PIE_LIMIT, PIE_ECN = 1, 2, 6
RED_PARMS, RED_STAB, RED_MAX_P = 1, 2, 3
CAKE_BASE_RATE64, CAKE_DIFFSERV, CAKE_RTT = 2, 3, 7

RED_ECN_FLAG = 1  # TC_RED_ECN
# What RED thinks of by itself: tc-red(8), "avpkt" and "bandwidth".
RED_FRAME_BYTES = 1000
RED_RATE_MBIT = 10.0
_DIFFSERV = ("diffserv3", "diffserv4", "diffserv8", "besteffort")
# Of struct tc_sfq_qopt: buckets, by default.
_SFQ_FLOWS = 1024


def discipline_options(wanted: Request) -> bytes:
    """Return the options of a queue as `model.queues.discipline.Queue.request` has it."""
    return OPTIONS[wanted["kind"]](wanted["settings"], wanted["rate_mbit"])


def _number(kind: int, value: float) -> bytes:
    return attribute(kind, struct.pack("I", round(value)))


def _pfifo(settings: Request, rate_mbit: float | None) -> bytes:
    return struct.pack("I", settings["limit_packets"])


def _fq_codel(settings: Request, rate_mbit: float | None) -> bytes:
    return (
        _number(FQ_CODEL_TARGET, settings["target_ms"] * 1000)
        + _number(FQ_CODEL_LIMIT, settings["limit_packets"])
        + _number(FQ_CODEL_INTERVAL, settings["interval_ms"] * 1000)
        + _number(FQ_CODEL_ECN, settings["ecn"])
        + _number(FQ_CODEL_FLOWS, settings["flows"])
    )


def _pie(settings: Request, rate_mbit: float | None) -> bytes:
    return (
        _number(PIE_TARGET, settings["target_ms"] * 1000)
        + _number(PIE_LIMIT, settings["limit_packets"])
        + _number(PIE_ECN, settings["ecn"])
    )


def _sfq(settings: Request, rate_mbit: float | None) -> bytes:
    limit = settings["limit_packets"]
    return struct.pack("IiIII", 0, settings["perturb_s"], limit, _SFQ_FLOWS, 0)


def _cake(settings: Request, rate_mbit: float | None) -> bytes:
    bytes_per_s = 0 if rate_mbit is None else round(rate_mbit * 1e6 / 8)
    return (
        attribute(CAKE_BASE_RATE64, struct.pack("Q", bytes_per_s))
        + _number(CAKE_DIFFSERV, _DIFFSERV.index(settings["diffserv"]))
        + _number(CAKE_RTT, settings["rtt_ms"] * 1000)
    )


def _red(settings: Request, rate_mbit: float | None) -> bytes:
    least, most = settings["min_bytes"], settings["max_bytes"]
    chance = settings["probability_percent"] / 100
    weight = red_weight(least, most)
    table, scale = red_idle_table(weight, rate_mbit or RED_RATE_MBIT)
    parameters = struct.pack(
        "IIIBBBB",
        settings["limit_bytes"],
        least,
        most,
        weight,
        # Of old kernels, which take the chance at the end of the range as a power of two.
        math.ceil(math.log2((most - least) / chance)),
        scale,
        RED_ECN_FLAG if settings["ecn"] else 0,
    )
    return (
        attribute(RED_PARMS, parameters)
        + attribute(RED_STAB, table)
        + attribute(RED_MAX_P, struct.pack("I", share(100 * chance)))
    )


def red_weight(least: int, most: int) -> int:
    """Return the weight of a new length in RED's mean, as a power of two: 2 ** -n.

    So that as many frames may come at once as RED's usual burst, before the mean is ``least``.
    S. Floyd and V. Jacobson, section 8: L + 1 + ((1 - w) ** (L + 1) - 1) / w < min.

    """
    burst = (2 * least + most) // (3 * RED_FRAME_BYTES) + 1
    frames = least / RED_FRAME_BYTES
    for power in range(1, 32):
        weight = 2.0**-power
        if burst + 1 - frames <= (1 - (1 - weight) ** burst) / weight:
            return power
    raise ValueError(f"no weight of RED fits {least} and {most} bytes")


def red_idle_table(weight: int, rate_mbit: float) -> tuple[bytes, int]:
    """Return by how much RED's mean falls while the queue is empty, and the table's scale.

    Entry n is by how many bits it is shifted after n << scale ticks (net/red.h).

    """
    frame_ticks = RED_FRAME_BYTES * 8 / rate_mbit * 1000 / TICK_NS
    bits_per_tick = -math.log(1 - 2.0**-weight) / frame_ticks
    scale = next(power for power in range(32) if 31 / bits_per_tick / 2**power < 512)
    shifts = [min(31, int((number << scale) * bits_per_tick)) for number in range(255)]
    return bytes([*shifts, 31]), scale


OPTIONS: dict[str, Options] = {
    "pfifo": _pfifo,
    "fq_codel": _fq_codel,
    "pie": _pie,
    "red": _red,
    "sfq": _sfq,
    "cake": _cake,
}


# -- what the kernel tells --------------------------------------------------------


def read_discipline(kind: str, options: bytes) -> Request:
    """Read the settings of a queue, by the names that they were given by; {} of others."""
    return READ[kind](options) if kind in READ else {}


def _word(found: dict[int, bytes], kind: int) -> int:
    value: int = struct.unpack_from("I", found[kind])[0]
    return value


def _ms(found: dict[int, bytes], kind: int) -> float:
    # Codel counts in 1024 ns (net/codel.h), and so tells a little less.
    return round(_word(found, kind) / 1000, 2)


def _read_pfifo(options: bytes) -> Request:
    return {"limit_packets": struct.unpack_from("I", options)[0]}


def _read_fq_codel(options: bytes) -> Request:
    found = attributes(options)
    return {
        "limit_packets": _word(found, FQ_CODEL_LIMIT),
        "target_ms": _ms(found, FQ_CODEL_TARGET),
        "interval_ms": _ms(found, FQ_CODEL_INTERVAL),
        "flows": _word(found, FQ_CODEL_FLOWS),
        "ecn": bool(_word(found, FQ_CODEL_ECN)),
    }


def _read_pie(options: bytes) -> Request:
    found = attributes(options)
    return {
        "limit_packets": _word(found, PIE_LIMIT),
        "target_ms": _ms(found, PIE_TARGET),
        "ecn": bool(_word(found, PIE_ECN)),
    }


def _read_red(options: bytes) -> Request:
    found = attributes(options)
    limit, least, most, _, _, _, flags = struct.unpack_from("IIIBBBB", found[RED_PARMS])
    chance = _word(found, RED_MAX_P) / 2**32 * 100 if RED_MAX_P in found else 0.0
    return {
        "limit_bytes": limit,
        "min_bytes": least,
        "max_bytes": most,
        "probability_percent": round(chance, 4),
        "ecn": bool(flags & RED_ECN_FLAG),
    }


def _read_sfq(options: bytes) -> Request:
    _, perturb, limit = struct.unpack_from("IiI", options)
    return {"limit_packets": limit, "perturb_s": perturb}


def _read_cake(options: bytes) -> Request:
    found = attributes(options)
    [rate] = struct.unpack_from("Q", found[CAKE_BASE_RATE64])
    mode = _word(found, CAKE_DIFFSERV)
    return {
        "rtt_ms": _ms(found, CAKE_RTT),
        "diffserv": _DIFFSERV[mode] if mode < len(_DIFFSERV) else str(mode),
    } | ({"rate_mbit": rate * 8 / 1e6} if rate else {})


READ: dict[str, Callable[[bytes], dict[str, Any]]] = {
    "pfifo": _read_pfifo,
    "fq_codel": _read_fq_codel,
    "pie": _read_pie,
    "red": _read_red,
    "sfq": _read_sfq,
    "cake": _read_cake,
}
