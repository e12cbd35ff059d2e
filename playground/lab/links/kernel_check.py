"""The kernel is asked for what a plan needs beyond cables and bridges, before nodes are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playground.errors import EngineError
from playground.model.kernel.features import FEATURES
from playground.operations.connection.client import Client
from playground.planning.links.kernel_needs import refusal


def refuse_lacking(agent: Client, needs: Mapping[str, Sequence[str]]) -> None:
    """Raise `EngineError` where a kernel under the lab lacks a feature that is needed.

    ``needs`` are rows of `model.kernel.features`, each with who needs it.  Where there are
    none, nobody is asked.

    """
    if not needs:
        return
    answers = agent.call("kernel_lacks", trials=[FEATURES[name].trial for name in needs])
    said = zip(needs, answers, strict=True)
    lacks: dict[str, str] = {}
    machines: dict[str, Sequence[str]] = {}
    for name, answer in said:
        if isinstance(answer, Mapping):  # of several machines, and these lack it
            machines[name] = answer["machines"]
            answer = answer["said"]
        if answer is not None:
            lacks[name] = answer
    if sentence := refusal(needs, lacks, machines):
        raise EngineError(sentence)
