"""A lab that another program started is as it was told to be."""

from __future__ import annotations

from pathlib import Path

from playground import Host, Lab, Link
from playground.engines.namespaces.engine import NamespacesEngine


def test_an_attached_lab_writes_the_file_that_the_first_program_would(
    namespaces_engine: NamespacesEngine, tmp_path: Path
) -> None:
    h1 = Host("h1")
    Link(h1, Host("h2")).id = "uplink"
    Link(h1, Host("h3"))
    lab = Lab(
        h1,
        name="told-again",
        users={"eve": "secret"},
        keep=True,
        engine="namespaces",
        converge=False,
        spread=2,
        reschedule=True,
        positions={"h1": (120, 40)},
        quiet=True,
    )
    with lab:
        text = lab.save(tmp_path / "first.yaml").read_text()
        with Lab.attach(lab.id, engine=namespaces_engine, quiet=True) as attached:
            assert attached.save(tmp_path / "again.yaml").read_text() == text
            assert attached.users == lab.users
        lab.stop()
    for said in (
        "eve: secret",
        "reschedule: true",
        "positions",
        "spread: 2",
        "engine: namespaces",
        "uplink",
    ):
        assert said in text
