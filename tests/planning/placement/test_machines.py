"""The machines that a lab is spread over."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.planning.placement.machines import check_spread, machines_for, spread_of_environment
from playground.planning.placement.shapes import Demand, MachineRoom, Piece

THREE = [MachineRoom(name, Demand(10, 1000, 4)) for name in ("m1", "m2", "m3")]


def names(machines: list[MachineRoom]) -> list[str]:
    return [machine.name for machine in machines]


def hosts(count: int, **said: str) -> list[Piece]:
    return [Piece(f"h{number}", Demand(1, 10), **said) for number in range(count)]


def test_a_lab_that_fits_on_one_machine_stays_on_one() -> None:
    assert names(machines_for(hosts(10), THREE, None)) == ["m1"]
    assert names(machines_for(hosts(11), THREE, None)) == ["m1", "m2"]


def test_the_largest_machine_comes_first() -> None:
    machines = [*THREE, MachineRoom("large", Demand(100, 1000, 4))]
    assert names(machines_for(hosts(11), machines, None)) == ["large"]


def test_a_number_asks_for_so_many_and_names_for_those() -> None:
    assert names(machines_for(hosts(2), THREE, 3)) == ["m1", "m2", "m3"]
    assert names(machines_for(hosts(2), THREE, ("m3", "m2"))) == ["m2", "m3"]


def test_the_machine_of_a_settled_node_is_always_among_them() -> None:
    settled = hosts(1, machine="m3")
    assert names(machines_for(settled, THREE, None)) == ["m3"]
    assert names(machines_for(settled, THREE, ("m1",))) == ["m3", "m1"]


@pytest.mark.parametrize(
    ("pieces", "spread", "sentence"),
    [
        (hosts(1, machine="m9"), None, "h0 is to run on the machine 'm9', and the swarm has m1"),
        (hosts(1), ("m9",), "spread= names the machine 'm9', and the swarm has m1, m2, m3"),
        (hosts(1), 4, "spread=4 asks for more machines than there are"),
        (hosts(31), None, "there is room for 30 hosts of 31"),
        ([Piece("db", Demand(1, 4000))], None, "3000 MB of memory of 4000"),
        ([Piece("db", Demand(1, 1, 16))], None, "12 processors of 16"),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(
    pieces: list[Piece], spread: int | tuple[str, ...] | None, sentence: str
) -> None:
    with pytest.raises(TopologyError, match=sentence):
        machines_for(pieces, THREE, spread)


@pytest.mark.parametrize("spread", [0, -1, True, "m1", [], ["m1", 2], [""], 1.5, {"m1"}])
def test_what_names_no_machines_is_refused(spread: object) -> None:
    with pytest.raises(TopologyError, match=r"lab: spread=.* names no machines"):
        check_spread("lab", spread)


def test_the_environment_speaks_for_labs_that_say_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for said, meant in (("3", 3), ("m1,m2", ("m1", "m2")), ("", None)):
        monkeypatch.setenv("PLAYGROUND_SPREAD", said)
        assert spread_of_environment() == meant
    monkeypatch.setenv("PLAYGROUND_SPREAD", "0")
    with pytest.raises(TopologyError, match="PLAYGROUND_SPREAD: spread=0 names no machines"):
        spread_of_environment()


def test_names_stand_once() -> None:
    assert check_spread("lab", ["m1", "m2", "m1"]) == ("m1", "m2")
    assert check_spread("lab", 3) == 3
    assert check_spread("lab", None) is None
