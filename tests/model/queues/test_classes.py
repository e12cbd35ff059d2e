"""Classes of traffic as they are declared: their packets, their rates, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from playground.errors import TopologyError
from playground.model.queues.classes import Classes, TrafficClass
from playground.model.queues.direction import from_data
from playground.model.queues.discipline import Queue

REST = TrafficClass("rest", rate_mbit=1)


def words(**said: Any) -> list[str]:
    found = TrafficClass("one", rate_mbit=1, **said).filters()
    return [" and ".join(key.words for key in one.keys if key.words) for one in found]


def test_code_points_have_names() -> None:
    assert TrafficClass("a", 1, dscp=("EF", "af41", 8)).dscp == (46, 34, 8)


def test_packets_are_found_by_all_that_is_said_of_both_versions_of_ip() -> None:
    assert words(dscp="EF") == ["ip dsfield 0xb8 0xfc", "ip6 priority 0xb8 0xfc"]
    assert words(port=53, protocol="udp", source="10.0.0.0/8") == [
        "ip protocol 17 0xff and ip src 10.0.0.0/8 and ip dport 53 0xffff",
        "ip protocol 17 0xff and ip src 10.0.0.0/8 and ip sport 53 0xffff",
    ]
    assert words(destination="2001:db8::/48") == ["ip6 dst 2001:db8::/48"]


def test_what_has_ports_is_tcp_or_udp() -> None:
    assert {one.split(" and ")[0] for one in words(port=80)} == {
        "ip protocol 6 0xff",
        "ip protocol 17 0xff",
        "ip6 protocol 6 0xff",
        "ip6 protocol 17 0xff",
    }


def test_a_range_of_ipv6_is_compared_in_words_of_32_bits() -> None:
    [found] = TrafficClass("one", 1, source="2001:db8:1::/40").filters()
    assert [(key.offset, key.mask, key.value) for key in found.keys] == [
        (8, 0xFFFFFFFF, 0x20010DB8),
        (12, 0xFF000000, 0),
    ]


def test_a_class_has_no_more_than_the_link_and_no_less_than_it_was_promised() -> None:
    classes = Classes((TrafficClass("voice", 2, dscp="EF", ceil_mbit=3), REST))
    root, voice, rest = classes.request(10, 1500)["classes"]
    assert (root["rate_mbit"], root["ceil_mbit"]) == (10, 10)
    assert (voice["rate_mbit"], voice["ceil_mbit"]) == (2, 3)
    assert (rest["rate_mbit"], rest["ceil_mbit"]) == (1, 10)
    assert classes.request(10, 1500)["rest"] == rest["minor"]


def test_classes_are_read_as_they_were_written_down() -> None:
    classes = Classes(
        (
            TrafficClass("a", 1, 2, 3, "EF", 80, "tcp", "10.0.0.1", "10.1.0.0/16", "pfifo"),
            TrafficClass("b", 1, port=(1, 2), queue=Queue("pie", ecn=True)),
            REST,
        )
    )
    assert from_data(classes.data()) == classes


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"name": "a b"}, "use letters, digits and _"),
        ({"rate_mbit": 0}, "from 0.008 to 100,000"),
        ({"rate_mbit": 2, "ceil_mbit": 1}, "give a ceil_mbit that is not less"),
        ({"priority": 8}, "from 0, first, to 7, last"),
        ({"dscp": "gold"}, "EF, AF11 to AF43"),
        ({"dscp": 64}, "from 0 to 63"),
        ({"port": 0}, "from 1 to 65535"),
        ({"protocol": "sctp"}, 'use "tcp" or "udp"'),
        ({"source": "h1"}, "is no address and no range"),
        ({"source": "10.0.0.1", "destination": "2001:db8::1"}, "different versions of IP"),
        ({"port": range(1, 100)}, "is none"),
        ({"port": [*range(1, 100)]}, "name fewer ports"),
        ({"queue": 7}, 'write queue="fq_codel"'),
        ({"queue": "cake"}, "has classes of its own"),
    ],
    ids=lambda said: "-".join(said) if isinstance(said, dict) else "",
)
def test_a_class_that_cannot_be_is_refused(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TopologyError, match=sentence):
        TrafficClass(**{"name": "one", "rate_mbit": 1, **said})


@pytest.mark.parametrize(
    ("classes", "more", "sentence"),
    [
        ([TrafficClass("a", 1, dscp=1)], {}, "add one of which nothing but a rate is said"),
        ([REST, TrafficClass("b", 1)], {}, "of rest and b nothing is said but a rate"),
        ([REST, TrafficClass("rest", 1, dscp=1)], {}, "two classes of one link are called rest"),
        ([REST], {"scheduler": "drr"}, 'use "htb" or "hfsc"'),
        ([TrafficClass("a", 1, priority=1)], {"scheduler": "hfsc"}, "hfsc does not know"),
        ([*(TrafficClass(f"c{n}", 1, dscp=n) for n in range(16)), REST], {}, "16 are the most"),
        (["voice"], {}, "is no class of traffic"),
    ],
)
def test_classes_that_do_not_go_together_are_refused(
    classes: list[Any], more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(TopologyError, match=sentence):
        Classes(tuple(classes), **more)
