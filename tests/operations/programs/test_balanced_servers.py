"""What a load balancer says of its servers, and what somebody says in its place."""

from __future__ import annotations

import pytest

from playground.operations.programs.balanced_servers import BalancedServer, servers

NAMES = "# pxname,svname,scur,stot,bin,bout,status,check_status,\n"
ROW = "servers,www1_80,1,7,100,,UP 1/2,* L7OK,\n"
SERVER = BalancedServer("www1:80", "UP 1/2", "L7OK", 1, 7, 100, 0)


def test_a_line_is_a_server() -> None:
    text = f"{NAMES}front,FRONTEND,1,7,1,1,OPEN,,\n{ROW}servers,BACKEND,1,7,1,1,UP,,\n"
    assert list(servers(text)) == [SERVER]


@pytest.mark.parametrize(
    "row",
    [
        "servers,www2_80,x,7,100,0,UP,L7OK,\n",
        "servers,www2_80,-1,7,100,0,UP,L7OK,\n",
        "servers,www2_80,\N{SUPERSCRIPT TWO},7,100,0,UP,L7OK,\n",
        f"servers,www2_80,{'9' * 5000},7,100,0,UP,L7OK,\n",
        "servers,www2_80,1\n",
        "servers\n",
        "\n",
    ],
)
def test_what_is_no_line_of_a_balancer_is_left_out(row: str) -> None:
    assert list(servers(NAMES + row + ROW)) == [SERVER]


def test_a_text_that_is_none_of_a_balancer_has_no_servers() -> None:
    assert list(servers("")) == []
    assert list(servers("svname\nwww1_80\n")) == []
    assert list(servers(f"{NAMES}{'a' * 200_000}\n{ROW}")) == []
