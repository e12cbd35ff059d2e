"""Programs that root of a host has put in the place of the machine's are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from playground import Host, Lab
from playground.engines.seam import Engine
from playground.operations.diagnosis.evidence.changed_programs import changed_programs


@pytest.fixture(scope="module")
def lab(namespaces_engine: Engine) -> Iterator[Lab]:
    with Lab(Host("h1"), name="changed", engine=namespaces_engine, quiet=True) as lab:
        yield lab


def test_what_was_only_touched_is_the_machines(lab: Lab) -> None:
    lab["h1"].run("touch /usr/bin/head; chmod 755 /usr/bin/cat")
    assert list(changed_programs(lab["h1"])) == []


def test_a_program_of_its_own_is_told(lab: Lab) -> None:
    h1 = lab["h1"]
    for made in (
        "cd /usr/bin; cp -p head /tmp/h; echo >> head; touch -r /tmp/h head",  # another content
        "cp /usr/bin/true /usr/local/bin/cat",  # found before the machine's
        "rm -f /usr/bin/vtysh; mkfifo /usr/local/bin/vtysh",  # new, and no file
        "touch /etc/ld.so.preload",
    ):
        h1.run(made)
    assert list(changed_programs(h1)) == [
        f"h1 has another {one} than the machine: what it says may be anything"
        for one in ("vtysh", "cat", "head", "/etc/ld.so.preload")
    ]
