"""Names and places of declarations, as text."""

from playground.lab.declarations.shapes import FilePlace, LinkName, NodeName, unused_id


def test_a_place_names_file_line_and_column_as_far_as_they_are_known() -> None:
    assert str(FilePlace("lab.yaml", 3, 7)) == "lab.yaml:3:7"
    assert str(FilePlace("lab.conf", 3)) == "lab.conf:3"
    assert str(FilePlace("lab.conf")) == "lab.conf"


def test_names_read_as_in_python() -> None:
    assert str(LinkName("trunk", 10)) == "trunk[10]"
    assert str(NodeName("h1")) == "h1"


def test_a_second_link_between_two_nodes_has_a_number() -> None:
    assert unused_id("a-b", {"a-b", "a-b-2"}) == "a-b-3"
