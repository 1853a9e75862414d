"""Frozen dataclasses, made without importing the standard library's: that and what it imports take 14 ms.

They are dataclasses for whoever asks: `dataclasses` finds its own fields and parameters in them, made when it looks.
"""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeVar, dataclass_transform

    Class = TypeVar("Class", bound=type)
else:
    def dataclass_transform(**_):
        return lambda function: function


class _Standard:
    """What `dataclasses` keeps in a class under this attribute, of the twin that it makes itself."""

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute

    def __get__(self, instance: object, owner: type) -> Any:
        import dataclasses

        members = [(name, kind) for base in reversed(owner.__mro__[:-1]) for name, kind in base.__annotations__.items()]
        twin = dataclasses.make_dataclass(owner.__name__, members, frozen=True)
        return getattr(twin, self.attribute)


def _frozen(self: object, name: str, value: object = None) -> NoReturn:
    import dataclasses

    raise dataclasses.FrozenInstanceError(f"cannot change {name!r}")


def _representation(self: object) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _equal(self: object, other: object) -> bool:
    return vars(self) == vars(other) if type(self) is type(other) else NotImplemented


def _hash(self: object) -> int:
    return hash(tuple(vars(self).values()))


def _replace(self: object, /, **changes: object) -> object:
    return type(self)(**{**vars(self), **changes})


@dataclass_transform(frozen_default=True)
def dataclass(cls: Class) -> Class:
    """As dataclasses.dataclass(frozen=True), for fields without defaults and methods that are not written out."""
    names = (*getattr(cls, "__match_args__", ()), *cls.__annotations__)
    namespace: dict[str, Any] = {}
    exec(f"def __init__(self, {', '.join(names)}):\n"
         f"    self.__dict__.update({', '.join(f'{name}={name}' for name in names)})", namespace)
    init = namespace["__init__"]
    init.__module__, init.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
    methods = {
        "__init__": init, "__repr__": _representation, "__eq__": _equal, "__hash__": _hash,
        "__replace__": _replace, "__setattr__": _frozen, "__delattr__": _frozen, "__match_args__": names,
        "__dataclass_fields__": _Standard("__dataclass_fields__"),
        "__dataclass_params__": _Standard("__dataclass_params__"),
    }
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def as_dict(value: Any) -> Any:
    """As dataclasses.asdict(), for values that hold these classes, tuples, dictionaries and what cannot be changed."""
    if hasattr(type(value), "__match_args__"):
        value = vars(value)
    if isinstance(value, dict):
        return {key: as_dict(part) for key, part in value.items()}
    return tuple(map(as_dict, value)) if isinstance(value, tuple) else value
