"""Dataclasses whose methods are written when they are first needed.

`dataclass` is the standard library's, to a reader, to mypy and to all that `dataclasses` can be
asked about a class. But the standard library writes ``__init__``, ``__repr__``, ``__eq__`` and
others as text, and compiles them as soon as the class is made. For the 200 classes of this
package that took 50 of the 128 ms of processor time of ``from playground import Host, Lab``, and
most programs make instances of some forty. Here the standard library looks at a class, and writes
``__init__``, when somebody first asks for a member of it, most often for the first instance. What
needs no text of its own is a function that knows the names of the fields.

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
    from threading import RLock

    def dataclass(made=None, /, *, frozen=False, eq=True, repr=True, slots=False):  # noqa: A002
        """Make a class a dataclass, as `dataclasses.dataclass` does with these arguments."""
        if made is None:
            return lambda made: dataclass(made, frozen=frozen, eq=eq, repr=repr, slots=slots)
        own = vars(made)
        members = {"__init__"}
        if repr:
            members.add("__repr__")
        if eq and "__eq__" not in own:
            members.add("__eq__")
            if "__hash__" not in own:
                if frozen:
                    members.add("__hash__")
                else:
                    made.__hash__ = None
        if frozen:
            members |= {"__setattr__", "__delattr__"}
        members -= own.keys()
        bases = [base for base in made.__mro__[1:] if "__dataclass_fields__" in vars(base)]
        refused = any(base.__dataclass_params__.frozen != frozen for base in bases)
        # One with slots is another class in the end, and with an ``__init__`` of its own there
        # may be an instance before anybody asks.
        if slots or refused or "__init__" in own:
            return _written(made, members, frozen, slots)
        described = {name: item for name, item in own.items() if type(item) is dataclasses.Field}
        later = _Written(made, members, frozen, described)
        for name in (*members, *_OF_THE_CLASS, *described):
            setattr(made, name, _Stand(name, later))
        return made

    _OF_THE_CLASS = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")

    class _Written:
        """Has the members of a class written, once; anew where that was interrupted (Ctrl-C)."""

        def __init__(self, made, members, frozen, described):
            self.made = made
            self.members = members
            self.frozen = frozen
            self.described = described
            self.lock = RLock()
            self.before = None
            self.written = None

        def member(self, name):
            with self.lock:  # another thread may be at it
                if self.written is None:
                    self._write()
            try:
                return self.written.get(name) or vars(self.made)[name]
            except KeyError:  # a field whose value is made for each instance
                missing = f"type object {self.made.__name__!r} has no attribute {name!r}"
                raise AttributeError(missing) from None

        def _write(self):
            made = self.made
            if self.before is None:
                # What somebody has put before a member stays: `arguments.tells_wrong_calls`.
                own = {name: vars(made)[name] for name in self.members}
                self.before = {
                    name: item for name, item in own.items() if not isinstance(item, _Stand)
                }
            for name in self.members:
                setattr(made, name, _Stand(name, self))
            for name, item in self.described.items():
                setattr(made, name, item)
            _, written = _looked_at(made, self.members, self.frozen, slots=False)
            # Whoever asks is sent here until each has what it is to have in the end.
            for name, item in written.items():
                setattr(made, name, self.before.get(name, item))
            self.written = written

    class _Stand:
        """Stands for a member of a class until somebody asks for it."""

        def __init__(self, name, later):
            self.name = name
            self.later = later

        def __get__(self, instance, owner=None):
            member = self.later.member(self.name)
            bind = getattr(type(member), "__get__", None)
            return member if bind is None else bind(member, instance, owner)

    def _written(made, members, frozen, slots):
        """Give a class its members at once."""
        made, written = _looked_at(made, members, frozen, slots)
        for name, item in written.items():
            setattr(made, name, item)
        return made

    def _looked_at(made, members, frozen, slots):
        """Have the standard library find the fields; return the class, and what it is to get."""
        undocumented = made.__doc__ in (None, " ")
        if undocumented:  # it would write one, from a signature that is not there yet
            made.__doc__ = " "
        # A frozen class cannot inherit from one that is not, and the other way round.
        inherits = any("__dataclass_fields__" in vars(base) for base in made.__mro__[1:])
        if inherits:  # the standard library writes these two itself, where none stands
            for name in members & {"__setattr__", "__delattr__"} & vars(made).keys():
                delattr(made, name)
        made = dataclasses.dataclass(
            init=False,
            repr=False,
            eq=False,
            match_args=False,
            frozen=frozen and inherits,
            slots=slots,
        )(made)
        if undocumented:
            made.__doc__ = None
        fields = dataclasses.fields(made)
        compared = [field for field in fields if field.compare]
        by_place = [field.name for field in fields if field.init and not field.kw_only]
        written = {"__match_args__": tuple(by_place)}
        if "__init__" in members:
            written["__init__"] = _init(made, frozen)
        if "__repr__" in members:
            written["__repr__"] = _repr([field.name for field in fields if field.repr])
        if "__eq__" in members:
            written["__eq__"] = _eq([field.name for field in compared])
        if "__hash__" in members:
            written["__hash__"] = _hash(
                [field.name for field in compared if field.hash is not False]
            )
        if frozen and not inherits:
            made.__dataclass_params__.frozen = True
            names = [field.name for field in fields]
            refusals = _refusals(made, frozenset(names))
            written["__setattr__"], written["__delattr__"] = refusals
            if slots:
                written["__getstate__"], written["__setstate__"] = _state(names)
        return made, written

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
