"""Option groups: a dataclass whose fields are flags stands for all of them in a command's signature.

A command takes a group as one parameter; on the command line each of its fields is an option, in the group's
order, where the parameter stands. Groups hold groups.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

Command = Callable[..., None]


def option_groups(**defaults: Any) -> Callable[[Command], Command]:
    """Spread the groups among a command's parameters; ``defaults`` stand in place of fields' own.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Size:
    ...     height: int
    ...     width: int = 2
    >>> @option_groups(width=3)
    ... def show(name: str, size: Size) -> None:
    ...     print(name, size.height, size.width)
    >>> str(inspect.signature(show))
    '(name: str, height: int, width: int = 3)'
    >>> show(name="a", height=1, width=2)
    a 1 2
    """

    def spread(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters

        @functools.wraps(command)
        def called(**values: Any) -> None:
            command(**{name: _value(name, parameter.annotation, values) for name, parameter in own.items()})

        options = [option for parameter in own.values() for option in _options(parameter, defaults)]
        called.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]  # what inspect reads
        return called

    return spread


def _options(parameter: inspect.Parameter, defaults: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    """Yield a parameter, or those that a group stands for."""
    group = parameter.annotation
    if not _is_group(group):
        yield parameter.replace(default=defaults.get(parameter.name, parameter.default))
        return
    hints = get_type_hints(group, include_extras=True)
    for field in inspect.signature(group).parameters.values():
        yield from _options(field.replace(annotation=hints[field.name]), defaults)


def _value(name: str, annotation: Any, values: Mapping[str, Any]) -> Any:
    """Return the value of an option, or the group filled with its own."""
    if not _is_group(annotation):
        return values[name]
    hints = get_type_hints(annotation)
    return annotation(
        **{field: _value(field, hints[field], values) for field in inspect.signature(annotation).parameters}
    )


def _is_group(annotation: Any) -> bool:
    return dataclasses.is_dataclass(annotation)
