"""The code in an advice: found, held against what can be called, and run."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
from typing import Any

from playground.lab.lab import Lab
from playground.operations.diagnosis.evidence.explanation import Explanation


def codes(advice: str) -> list[str]:
    """The code that stands between backticks."""
    return re.findall("`([^`]+)`", advice)


def namespace(lab: Lab) -> dict[str, Any]:
    """The names by which somebody who made a lab calls its nodes."""
    import playground

    names: dict[str, Any] = dict(vars(playground))
    names |= {node.name: node for node in lab.nodes if node.name.isidentifier()}
    return names | {"lab": lab}


def check_advice(found: Explanation, lab: Lab) -> None:
    """Hold every call of an advice against the function that it calls."""
    if found.ok:
        return
    assert found.advice, found
    for code in codes(found.advice):
        names = namespace(lab)
        for call in (one for one in ast.walk(ast.parse(code)) if isinstance(one, ast.Call)):
            function = eval(ast.unparse(call.func), names)
            if function is dict:
                continue  # of which nobody has written down the arguments
            arguments = [object() for _ in call.args]
            inspect.signature(function).bind(
                *arguments, **{item.arg: object() for item in call.keywords if item.arg}
            )
            if ast.unparse(call.func).endswith(".run"):
                [command] = call.args
                assert isinstance(command, ast.Constant)
                subprocess.run(["sh", "-n", "-c", command.value], check=True)


def follow(found: Explanation, lab: Lab) -> list[Any]:
    """Do what an advice says, and return what came of it."""
    done = []
    for code in codes(found.advice):
        names = namespace(lab)
        if isinstance(ast.parse(code).body[0], ast.Expr):
            done.append(eval(code, names))
        else:
            exec(code, names)
    return done
