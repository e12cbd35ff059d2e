"""A page shows the labs of its own program, and with `RunningLabs` all of the machine."""

from __future__ import annotations

import pytest

from playground import Host, Lab, LabNotFound
from playground.engines.choice import RunningLabs
from playground.frontends.web.served_labs import ServedLabs
from tests.support_agent import needs_root


def test_a_lab_of_this_program_is_found_by_name_until_it_is_removed() -> None:
    labs, lab = ServedLabs(), Lab(Host("a"), name="own")
    labs.add(lab)
    assert labs.open("own") is lab
    assert [(line.name, line.nodes) for line in labs.lines()] == [("own", ("a",))]
    labs.remove(Lab(Host("a"), name="own"))  # another of that name
    assert labs.open("own") is lab
    labs.remove(lab)
    with pytest.raises(LabNotFound, match="'own'"):
        labs.open("own")


@needs_root
def test_a_lab_of_another_program_is_attached_to_and_left_running(namespaces_engine) -> None:
    with Lab(Host("a"), name="web-other", engine=namespaces_engine, quiet=True) as lab:
        labs = ServedLabs(RunningLabs("namespaces"))
        assert "web-other" in [line.name for line in labs.lines()]
        seen = labs.open("web-other")
        assert seen is not lab and labs.open("web-other") is seen
        assert seen["a"].run("hostname").stdout == "a\n"
        labs.close()
        assert lab["a"].run("true").returncode == 0


@needs_root
def test_a_lab_that_has_ended_is_missing_and_a_new_one_of_its_name_is_found(
    namespaces_engine,
) -> None:
    labs = ServedLabs(RunningLabs("namespaces"))
    with Lab(Host("a"), name="web-again", engine=namespaces_engine, quiet=True):
        first = labs.open("web-again")
    with pytest.raises(LabNotFound, match="web-again"):
        labs.open("web-again")
    with Lab(Host("b"), name="web-again", engine=namespaces_engine, quiet=True):
        second = labs.open("web-again")
        assert second is not first and [node.name for node in second.nodes] == ["b"]
        labs.close()
