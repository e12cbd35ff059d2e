"""How `lab.lab.Lab` is put together: names of its methods, and attributes that its state holds."""

from __future__ import annotations

import inspect
from typing import Generic, Self, TypeVar, overload

from playground.lab.state import LabObject

T = TypeVar("T")
C = TypeVar("C", bound=type)


def name_methods(kind: C) -> C:
    """Let functions of other modules be called by the class that has them as methods.

    In tracebacks, in `help` and for `inspect` they are ``Lab.explain`` then.

    """
    for name, item in vars(kind).items():
        if inspect.isfunction(item):
            item.__qualname__ = f"{kind.__name__}.{name}"
    return kind


class Told(Generic[T]):
    """An attribute of a lab that is one of its state's, and may be set."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, lab: None, owner: type) -> Self: ...

    @overload
    def __get__(self, lab: LabObject, owner: type) -> T: ...

    def __get__(self, lab: LabObject | None, owner: type) -> Self | T:
        if lab is None:
            return self
        value: T = getattr(lab._state, self._name)
        return value

    def __set__(self, lab: LabObject, value: T) -> None:
        setattr(lab._state, self._name, value)
