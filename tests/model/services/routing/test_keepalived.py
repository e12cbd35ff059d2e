"""keepalived's settings become its file."""

from __future__ import annotations

import pytest

from playground.errors import TopologyError
from playground.model.services.routing.keepalived import KEEPALIVED_ROW, VirtualRouters
from playground.model.services.settings import ServiceContext


def test_the_text_is_its_file_and_a_change_is_read_while_it_runs() -> None:
    [file] = KEEPALIVED_ROW.configure(VirtualRouters("x"), ServiceContext("r1", "r1"))
    assert (file.path, file.content) == ("/etc/keepalived/keepalived.conf", b"x")
    assert file.live is not None
    assert file.live(b"x", b"y") == ["sv", "hup", "/run/service/keepalived"]
    with pytest.raises(TopologyError, match=r"is text as in keepalived.conf\(5\)"):
        VirtualRouters(7)  # type: ignore[arg-type]
