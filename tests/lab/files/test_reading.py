"""Our own file: misuses have line and column, and no file a traceback."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playground.errors import TopologyError
from playground.lab.declarations.declare import declare
from playground.lab.declarations.gather import gather
from playground.lab.files.reading import LabFile, understand
from playground.lab.files.writing import file_data, file_text
from playground.lab.files.yaml_document import parse_document
from playground.planning.planner import collect
from tests.lab.declarations import everything


def read(text: str) -> LabFile:
    return understand(parse_document(text.encode(), Path("x.yaml")))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1\n", 'x.yaml:1:1: this is no lab file: it begins with "playground: 1"'),
        ("playground: 2\n", "x.yaml:1:1: playground: 2 is a format that this version"),
        ("playground: 1\nnods: {}\n", "x.yaml:2:1: 'nods' is no part of a lab file: did you mean"),
        ("playground: 1\nipv6: [1]\n", "x.yaml:2:1: ipv6: [1] is not true or false or a text"),
        ("playground: 1\nnodes: [h1]\n", "x.yaml:2:1: ['h1'] is in the place of nodes"),
        ("playground: 1\nnodes: {h1: {kind: hub}}\n", "x.yaml:2:14: 'hub' is no kind of node"),
        (
            "playground: 1\nnodes:\n  h1: {memory_mb: a}\n",
            "x.yaml:3:8: memory_mb: 'a' is not a whole number",
        ),
        (
            "playground: 1\nnodes:\n  h1:\n    memory_m: 1\n",
            "x.yaml:4:5: 'memory_m' is no part of a host: did you mean memory_mb?",
        ),
        ("playground: 1\nlinks: [[a]]\n", "x.yaml:2:9: a link says which two nodes it joins"),
        ("playground: 1\nlinks: [{nodes: [[], a]}]\n", "x.yaml:2:9: [[], 'a'] are no names"),
        (
            "playground: 1\nlinks: [{nodes: [a, b], id: x}, {nodes: [a, b], id: x}]\n",
            "x.yaml:2:49: 'x' is no id of a link twice",
        ),
        (
            "playground: 1\nnodes:\n  r:\n    kind: router\n    calls: [masquerad: {}]\n",
            "x.yaml:5:13: 'masquerad' is no part of what a router can be told: did you mean",
        ),
        (
            "playground: 1\nnodes:\n  r:\n    kind: router\n    calls: [masquerade: {}]\n",
            "x.yaml:5:13: masquerade() needs link",
        ),
        (
            "playground: 1\nnodes:\n  r:\n    kind: router\n    calls: [1]\n",
            "x.yaml:5:13: a call is the name of a method",
        ),
    ],
)
def test_a_misuse_is_told_with_line_and_column(text: str, told: str) -> None:
    with pytest.raises(TopologyError) as error:
        read(text)
    assert str(error.value).startswith(told)


def test_a_name_that_is_a_number_is_refused_as_python_does() -> None:
    text = "playground: 1\nnodes: {1: , 2: }\nlinks: [[1, 2]]\n"
    with pytest.raises(TopologyError, match=r"^x\.yaml:2:9: host '1': that is no host name"):
        declare(read(text).declarations)


def _whole() -> str:
    text = ""
    for nodes in (everything.hosts_and_nat, everything.routing):
        text = file_text(file_data({}, gather(collect(nodes())), Path(__file__).parent), None)
        yield text


WHOLE = [*_whole()]
_PIECES = ["", " ", "\n", ":", "[", "]", "{", "}", "'", '"', "- ", "&a ", "*a", "!x ", "null", "7"]
_PIECES += ["-1", "1e99", "true", "calls", "link", "nodes", "kind", "\t", "é", "0x", "h1", "\x07"]


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    st.sampled_from(WHOLE),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 30), st.sampled_from(_PIECES)),
        min_size=1,
        max_size=4,
    ),
)
def test_300_spoiled_files_are_told_in_a_sentence_with_a_line(
    text: str, spoiled: list[tuple[int, int, str]]
) -> None:
    """Each has a few letters cut out and something else put in: none ends in a traceback."""
    for place, length, piece in spoiled:
        place %= len(text)
        text = text[:place] + piece + text[place + length :]
    try:
        declare(read(text).declarations)
    except TopologyError as error:
        assert str(error).startswith("x.yaml:"), error


def test_a_service_says_what_it_needs() -> None:
    text = b"playground: 1\nnodes:\n  front: {services: [balancer: {port: 80}]}\n"
    with pytest.raises(TopologyError, match=r"lab\.yaml:3.*balancer needs to; write it as"):
        understand(parse_document(text, Path("lab.yaml")))
