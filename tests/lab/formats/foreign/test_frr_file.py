"""FRR's files, as labs of Kathara and topologies of containerlab bring them."""

import pytest

from playground.lab.formats.foreign.frr_file import frr_lines


@pytest.mark.parametrize(
    "line",
    [
        "hostname r1",
        " password zebra",
        "enable password zebra",
        "log file /var/log/frr/frr.log",
        "service integrated-vtysh-config",
        "frr version 8.1",
        "frr defaults traditional",
    ],
)
def test_what_the_lab_says_itself_is_no_line_of_its_own(line: str) -> None:
    assert frr_lines([line, "!", "", "# mine"]) is None
    assert frr_lines([line, "ip forwarding"]) == "!\nip forwarding"


@pytest.mark.parametrize(
    "line", [" log-adjacency-changes", "frrish", " neighbor 1.2.3.4 password x"]
)
def test_other_lines_stay(line: str) -> None:
    assert frr_lines([line]) == line
