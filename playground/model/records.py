"""Dataclasses whose methods are written when they are first needed.

`dataclass` is the standard library's, to a reader, to mypy and to all that `dataclasses` can be
asked about a class. But the standard library writes ``__init__``, ``__repr__``, ``__eq__`` and
others as text, and compiles them as soon as the class is made. For the 200 classes of this
package that took 50 of the 128 ms of processor time of ``from playground import Host, Lab``, and
most programs make instances of some forty. Here the standard library writes ``__init__`` for the
first instance, and what needs no text of its own is a function that knows the names of the
fields.

"""

# Typed by the branch that mypy sees; the other one makes classes, which mypy cannot follow.

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    from operator import attrgetter
    from reprlib import recursive_repr

    def dataclass(made=None, /, *, frozen=False, eq=True, repr=True, slots=False):  # noqa: A002
        """Make a class a dataclass, as `dataclasses.dataclass` does with these arguments."""
        if made is None:
            return lambda made: dataclass(made, frozen=frozen, eq=eq, repr=repr, slots=slots)
        own = {*vars(made)}
        undocumented = made.__doc__ is None
        if undocumented:  # it would write one, from a signature that is not there yet
            made.__doc__ = ""
        # A frozen class cannot inherit from one that is not, and the other way round.
        inherits = any(map(dataclasses.is_dataclass, made.__mro__[1:]))
        made = dataclasses.dataclass(
            init=False, repr=False, eq=False, frozen=frozen and inherits, slots=slots
        )(made)
        if undocumented:
            made.__doc__ = None
        fields = dataclasses.fields(made)
        if "__init__" not in own:
            made.__init__ = _Init(made, frozen)
        if repr and "__repr__" not in own:
            made.__repr__ = _repr([field.name for field in fields if field.repr])
        if eq and "__eq__" not in own:
            compared = [field for field in fields if field.compare]
            made.__eq__ = _eq([field.name for field in compared])
            if "__hash__" not in own:
                hashed = [field.name for field in compared if field.hash is not False]
                made.__hash__ = _hash(hashed) if frozen else None
        if frozen and not inherits:
            made.__dataclass_params__.frozen = True
            names = [field.name for field in fields]
            made.__setattr__, made.__delattr__ = _refusals(made, frozenset(names))
            if slots:
                made.__getstate__, made.__setstate__ = _state(names)
        return made

    class _Init:
        """Stands for ``__init__`` until somebody asks for it."""

        def __init__(self, made, frozen):
            self.made = made
            self.frozen = frozen

        def __get__(self, instance, owner=None):
            made = self.made
            if vars(made)["__init__"] is self:  # no other thread was faster
                made.__init__ = _init(made, self.frozen)
            return vars(made)["__init__"].__get__(instance, owner)

    def _init(made, frozen):
        """Have the standard library write ``__init__``, in a class of the same fields."""
        names = {"__annotations__": {}}
        for field in dataclasses.fields(made):
            names["__annotations__"][field.name] = field.type
            names[field.name] = dataclasses.field(
                init=field.init,
                default=field.default,
                default_factory=field.default_factory,
                kw_only=field.kw_only,
            )
        if hasattr(made, "__post_init__"):
            names["__post_init__"] = made.__post_init__  # it looks whether there is one
        donor = type(made.__name__, (), names)
        init = dataclasses.dataclass(repr=False, eq=False, frozen=frozen)(donor).__init__
        init.__qualname__ = f"{made.__qualname__}.__init__"
        init.__module__ = made.__module__
        return init

    def _repr(names):
        @recursive_repr()
        def show(self):
            shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
            return f"{type(self).__qualname__}({shown})"

        return show

    def _values(names):
        """Return a function from an instance to the values of these fields, as a tuple."""
        if len(names) > 1:
            return attrgetter(*names)
        return lambda self: tuple([getattr(self, name) for name in names])

    def _eq(names):
        values = _values(names)

        def equal(self, other):
            if other.__class__ is self.__class__:
                return values(self) == values(other)
            return NotImplemented

        return equal

    def _hash(names):
        values = _values(names)

        def number(self):
            return hash(values(self))

        return number

    def _refusals(made, names):
        def refuse_to_set(self, name, value):
            if type(self) is made or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
            super(made, self).__setattr__(name, value)

        def refuse_to_delete(self, name):
            if type(self) is made or name in names:
                raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
            super(made, self).__delattr__(name)

        return refuse_to_set, refuse_to_delete

    def _state(names):
        """Return how an instance without a ``__dict__`` is pickled and copied."""

        def state(self):
            return [getattr(self, name) for name in names]

        def restore(self, state):
            for name, value in zip(names, state, strict=True):
                object.__setattr__(self, name, value)

        return state, restore
