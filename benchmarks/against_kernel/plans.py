"""Measure plans of 3,000 routers in a hundred autonomous systems with BGP between them."""

from __future__ import annotations

from against_kernel.measured import Measured, Say
from against_kernel.stars import by_program

INTERNET = """
import json, random, sys, time
from playground import Link, Router
from playground.planning.difference import compare
from playground.planning.planner import make_plan
count, each = map(int, sys.argv[1:])
chance = random.Random(7)
systems, ends = [], [0]
for system in range(count // each):
    own = [Router(f"as{system + 1}-r{number}", routing="bgp", as_number=system + 1)
           for number in range(each)]
    for number in range(1, each):
        Link(own[chance.randrange(number)], own[number])
    for _ in range(each // 2):
        Link(*chance.sample(own, 2))
    systems.append(own)
# Whoever has many neighbours gets more of them.
for system in range(1, len(systems)):
    for other in {chance.choice(ends) for _ in range(2)}:
        Link(chance.choice(systems[system]), chance.choice(systems[other]))
        ends += [system, other]
def timed(function, *arguments, **named):
    begin = time.perf_counter()
    found = function(*arguments, **named)
    return time.perf_counter() - begin, found
plan_s, plan = timed(make_plan, [systems[0][0]])
Link(systems[1][-1], systems[2][-1])
again_s, other = timed(make_plan, [systems[0][0]], previous=plan)
diff_s, changes = timed(compare, plan, other)
assert changes.wires, changes
print(json.dumps({"plan_s": plan_s, "again_s": again_s, "diff_s": diff_s}))
"""

EACH = 30


def internet(count: int, runs: int, say: Say) -> list[Measured]:
    """Measure a plan, that of one link more, and the difference between them."""
    found = []
    for _ in range(runs):
        found.append(by_program(INTERNET, count, EACH))
        say(f"{count} routers planned: {found[-1]['plan_s']:.1f} s")
    return [Measured([turn[key] for turn in found]) for key in ("plan_s", "again_s", "diff_s")]
