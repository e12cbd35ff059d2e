"""A dataclass of ours behaves as one of the standard library's, and is made later."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast, get_type_hints

import pytest

from playground.errors import WrongCall
from playground.model import records
from playground.model.arguments import tells_wrong_calls

BOTH = pytest.mark.parametrize(
    "dataclass", [dataclasses.dataclass, records.dataclass], ids=["standard", "ours"]
)
Decorator = Callable[..., Any]


@BOTH
def test_fields_defaults_and_repr(dataclass: Decorator) -> None:
    @dataclass(frozen=True)
    class Address:
        host: str
        port: int = 80
        tags: list[str] = dataclasses.field(default_factory=list, repr=False)

    one = Address("www")
    assert repr(one).endswith("Address(host='www', port=80)")
    assert one == Address("www", 80) != Address("www", 81)
    assert one.__eq__("www") is NotImplemented
    assert one.tags is not Address("www").tags
    assert [field.name for field in dataclasses.fields(Address)] == ["host", "port", "tags"]
    assert dataclasses.asdict(one) == {"host": "www", "port": 80, "tags": []}
    assert dataclasses.replace(one, port=8080).port == 8080
    assert str(inspect.signature(Address)).startswith("(host: 'str', port: 'int' = 80, tags:")
    assert get_type_hints(Address.__init__)["port"] is int
    assert Address.__match_args__ == ("host", "port", "tags")
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'host'"):
        cast(Any, Address)()
    with pytest.raises(TypeError, match=r"Address.__init__\(\) got an unexpected keyword"):
        cast(Any, Address)("www", prot=1)


@BOTH
def test_a_class_has_the_defaults_of_its_fields(dataclass: Decorator) -> None:
    @dataclass(frozen=True)
    class Settings:
        port: int = dataclasses.field(default=80, init=False)
        tags: list[str] = dataclasses.field(default_factory=list)

    assert Settings.port == 80
    with pytest.raises(AttributeError, match="type object 'Settings' has no attribute 'tags'"):
        Settings.tags  # noqa: B018 - looking is the test


def test_a_wrong_call_is_told_whoever_asked_for_the_fields_before() -> None:
    @tells_wrong_calls
    @records.dataclass(frozen=True)
    class Settings:
        port: int = 80

    assert [field.name for field in dataclasses.fields(Settings)] == ["port"]
    with pytest.raises(WrongCall, match=r"Settings\(\) has no prot=; did you mean port="):
        cast(Any, Settings)(prot=1)
    assert Settings(port=81) == Settings(81)


def test_a_class_is_written_anew_where_that_was_interrupted() -> None:
    """Ctrl-C comes at any call, and the program may go on all the same."""
    for count in range(1, 1000):

        @tells_wrong_calls
        @records.dataclass(frozen=True)
        class Settings:
            port: int = dataclasses.field(default=80)
            tags: list[str] = dataclasses.field(default_factory=list, hash=False)

        left = [count]

        def interrupt(frame: Any, event: str, argument: Any, left: list[int] = left) -> None:
            if event == "call":
                left[0] -= 1
                if not left[0]:
                    raise KeyboardInterrupt

        sys.setprofile(interrupt)
        try:
            Settings(port=81)
        except (KeyboardInterrupt, RuntimeError):  # the latter of Python, from __set_name__
            pass
        finally:
            sys.setprofile(None)
        assert Settings(port=81) == Settings(81) != Settings()
        assert (Settings.port, hash(Settings()), repr(Settings(81)).count("81")) == (
            80,
            hash(Settings(80)),
            1,
        )
        assert Settings.__doc__ is None
        with pytest.raises(dataclasses.FrozenInstanceError):
            Settings().port = 3  # type: ignore[misc]
        with pytest.raises(WrongCall):
            cast(Any, Settings)(prot=1)
        if left[0] > 0:
            return
    raise AssertionError("it was never done before it was interrupted")


@BOTH
def test_threads_that_come_first_at_once_see_one_class(dataclass: Decorator) -> None:
    for _ in range(50):

        @dataclass(frozen=True)
        class Settings:
            port: int = 80

        with ThreadPoolExecutor(4) as pool:
            made = [*pool.map(lambda port: Settings(port=port % 2), range(8))]
        assert len({*made}) == 2


@BOTH
def test_what_is_said_by_name_alone_is_taken_by_name_alone(dataclass: Decorator) -> None:
    @dataclass(frozen=True)
    class Balancer:
        to: str
        _: dataclasses.KW_ONLY
        by: str = "source"
        layer: int = 4

    assert repr(Balancer("www", layer=7)).endswith("Balancer(to='www', by='source', layer=7)")
    assert Balancer.__match_args__ == ("to",)
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        cast(Any, Balancer)("www", "source")


@BOTH
def test_a_frozen_one_is_frozen_and_can_be_hashed(dataclass: Decorator) -> None:
    @dataclass(frozen=True)
    class Frozen:
        one: int
        rest: list[int] = dataclasses.field(default_factory=list, hash=False, compare=False)

    value = Frozen(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'one'"):
        value.one = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'other'"):
        cast(Any, value).other = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'one'"):
        del value.one
    assert len({value, Frozen(1), Frozen(2)}) == 2
    assert copy.deepcopy(value) == value


@BOTH
def test_one_that_can_change_cannot_be_hashed(dataclass: Decorator) -> None:
    @dataclass
    class Mutable:
        one: int = 1

    value = Mutable()
    value.one = 2
    assert value == Mutable(2)
    with pytest.raises(TypeError, match="unhashable"):
        hash(value)


@BOTH
def test_methods_of_the_class_itself_stay(dataclass: Decorator) -> None:
    @dataclass(frozen=True)
    class Own:
        one: int

        def __post_init__(self) -> None:
            object.__setattr__(self, "one", self.one + 1)

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    value = Own(1)
    assert (repr(value), value == 3, hash(value), value.one) == ("own", True, 7, 2)


@BOTH
def test_without_equality_two_are_never_equal(dataclass: Decorator) -> None:
    @dataclass(frozen=True, eq=False)
    class Same:
        one: int

    assert Same(1) != Same(1)
    assert len({Same(1), Same(1)}) == 2


@dataclasses.dataclass(frozen=True, slots=True)
class StandardSlots:
    one: int
    two: str = "2"


@records.dataclass(frozen=True, slots=True)
class OurSlots:
    one: int
    two: str = "2"


@pytest.mark.parametrize("kind", [StandardSlots, OurSlots])
def test_one_with_slots_is_pickled_and_copied(kind: Any) -> None:
    value = kind(1)
    assert pickle.loads(pickle.dumps(value)) == copy.copy(value) == value
    assert not hasattr(value, "__dict__")


@BOTH
@pytest.mark.parametrize(
    "of_others", [dataclasses.dataclass, records.dataclass], ids=["standard", "ours"]
)
def test_subclasses_by_either_have_all_fields(dataclass: Decorator, of_others: Decorator) -> None:
    @dataclass(frozen=True)
    class Base:
        one: int = 1

    @of_others(frozen=True)
    class Derived(Base):
        two: int = 2

    value: Any = cast(Any, Derived)(two=3)
    assert repr(value).endswith("Derived(one=1, two=3)")
    assert value == cast(Any, Derived)(1, 3) != Base(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.one = 2
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        of_others(type("Changing", (Base,), {"__annotations__": {"two": int}, "two": 2}))


@BOTH
def test_a_value_that_holds_itself_can_be_shown(dataclass: Decorator) -> None:
    @dataclass
    class Knot:
        inner: object = None

    knot = Knot()
    knot.inner = knot
    assert repr(knot).endswith("Knot(inner=...)")


def test_the_constructor_is_written_for_the_first_instance() -> None:
    @records.dataclass(frozen=True)
    class Late:
        one: int = 1

    assert not callable(vars(Late)["__init__"])
    assert Late(one=2).one == 2
    assert callable(vars(Late)["__init__"])
