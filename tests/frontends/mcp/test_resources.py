"""Resources of an assistant: pages, and of each lab its picture and its file."""

from __future__ import annotations

import pytest

from playground.errors import LabNotFound, UnknownName
from playground.frontends.mcp.resources import read_resource, resources
from playground.frontends.mcp.workshop import Workshop


def test_every_resource_that_is_listed_can_be_read() -> None:
    with Workshop() as workshop:
        workshop.declare("office", {"h1": {}, "h2": {}}, [["h1", "h2"]])
        listed = [*resources(workshop)]
        assert len(listed) > 80
        for one in listed:
            media_type, text = read_resource(workshop, one.uri)
            assert media_type == one.media_type
            assert text


def test_a_lab_s_file_can_be_declared_again() -> None:
    with Workshop() as workshop:
        calls = [{"masquerade": {"link": "modem-isp"}}]
        nodes = {"modem": {"kind": "router", "calls": calls}, "isp": {"kind": "router"}}
        workshop.declare("home", nodes, [["modem", "isp"]])
        kind, text = read_resource(workshop, "playground://labs/home/lab.yaml")
        assert kind == "application/yaml"
        workshop.read(text, "again")
        again = read_resource(workshop, "playground://labs/again/lab.yaml")[1]
        assert again == text.replace("name: home", "name: again")


def test_what_is_not_there_is_told() -> None:
    with Workshop() as workshop:
        workshop.declare("office", {"h1": {}}, [])
        for uri in ("playground://how-to/moon", "file:///etc/passwd", "playground://labs/office/x"):
            with pytest.raises(UnknownName, match="there is no resource"):
                read_resource(workshop, uri)
        with pytest.raises(LabNotFound):
            read_resource(workshop, "playground://labs/../picture.svg")
