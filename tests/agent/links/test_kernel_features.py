"""What this kernel has is found by asking it, and leaves nothing."""

from __future__ import annotations

from playground.model.kernel.features import FEATURES
from tests.support_agent import connect, needs_root


@needs_root
def test_a_kernel_is_asked_for_each_feature_and_says_what_it_does_not_know() -> None:
    with connect() as agent:
        trials = [("link", "veth"), ("link", "bridge"), ("queue", "tbf")]
        assert agent.call("kernel_lacks", trials=trials) == [None, None, None]
        # What one trial makes hides from no other that its kind is unknown.
        trials = [("link", "veth"), ("link", "nosuch"), ("queue", "nosuch")]
        known, strange, queue = agent.call("kernel_lacks", trials=trials)
        assert known is None and strange is not None and queue is not None
        # Nothing stands in the agent's own namespace that was not there before.
        assert agent.call("switches", devices=[]) == []


@needs_root
def test_every_row_of_the_table_can_be_asked_for() -> None:
    with connect() as agent:
        lacking = agent.call("kernel_lacks", trials=[row.trial for row in FEATURES.values()])
    assert len(lacking) == len(FEATURES)
