"""Programs of eBPF: their bytes, and that the kernel's verifier takes them."""

from __future__ import annotations

import os

import pytest

from playground.agent.links import ebpf
from playground.agent.links.interfaces import interface_index
from playground.agent.links.netlink import Netlink
from tests.support_agent import Namespaces, apart, needs_root

PROGRAMS = {
    "tagging": ebpf.tagging(10, 3),
    "tagging as a provider does": ebpf.tagging(10, 3, qinq=True),
    "untagging": ebpf.untagging(10, 3),
    "letting go": ebpf.letting_go(0x71000003, 3),
}


def test_an_instruction_is_eight_bytes() -> None:
    # struct bpf_insn: code, two registers in one byte, offset, number
    assert ebpf.instruction(ebpf.MOVE, 6, 1) == bytes([0xBF, 0x16, 0, 0, 0, 0, 0, 0])
    assert ebpf.instruction(ebpf.EXIT) == bytes([0x95, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_jump_leads_to_an_instruction_and_every_program_ends(name: str) -> None:
    program = PROGRAMS[name]
    codes = program[::8]
    assert codes[-1] == ebpf.EXIT
    for at, code in enumerate(codes):
        if code in (ebpf.JUMP_IF_EQUAL, ebpf.JUMP_UNLESS_EQUAL):
            offset = int.from_bytes(program[8 * at + 2 : 8 * at + 4], "little", signed=True)
            # Not into the middle of what moves the verdict into its register.
            assert codes[at + 1 + offset] == ebpf.MOVE_NUMBER


def _load(name: str) -> bool:
    return ebpf.load(PROGRAMS[name]) > 2


@needs_root
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_kernel_takes_a_program(name: str) -> None:
    assert apart(_load, name)


@needs_root
def test_a_program_that_never_ends_is_refused_in_a_sentence() -> None:
    with pytest.raises(OSError, match="takes the programs that stand in for them"):
        ebpf.load(ebpf.instruction(ebpf.MOVE, 6, 1))


@needs_root
def test_programs_hang_on_an_interface_and_are_taken_away(wired: Namespaces) -> None:
    with wired.network():
        netlink = Netlink(None)
        index = interface_index("e0")
        for messages, descriptor in (
            ebpf.arriving(index, 10, ebpf.untagging(10, index)),
            ebpf.leaving_copied(index),
        ):
            netlink.send(messages)
            os.close(descriptor)
        netlink.send([ebpf.delete_arriving(index, 10), ebpf.delete_leaving(index)])
        with pytest.raises(OSError, match="cannot take away the program for a VLAN"):
            netlink.send([ebpf.delete_arriving(index, 10)])
        netlink.close()
