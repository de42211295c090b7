"""Named queries of an application: functions of the state (and arguments) that change nothing, asked of the past or
the live state.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable, Sequence
from typing import Any

from processor.app import App
from processor.errors import QueryError, WrongUse


def ask(app: App, state: Any, name: str, arguments: Sequence[Any] = ()) -> Any:
    """The answer of the query. Raises WrongUse for an unknown one or arguments it does not take, QueryError when it
    raises.
    """
    function = named(app, name)
    check_arguments(app, name, arguments)
    try:
        return function(state, *arguments)
    except Exception as error:
        shown = ", ".join(map(repr, arguments))
        raise QueryError(f"{app.name}: the query {name}({shown}) raised {type(error).__name__}: {error}") from error


def named(app: App, name: str) -> Callable[..., Any]:
    """The function declared with @app.query under this name; raises WrongUse with those that there are."""
    if name not in app.queries:
        known = ", ".join(sorted(app.queries)) or "none; declare them with @app.query"
        raise WrongUse(f"{app.name} has no query {name!r}; it has {known}")
    function: Callable[..., Any] = app.queries[name]
    return function


def check_arguments(app: App, name: str, arguments: Sequence[Any]) -> None:
    """Raises WrongUse, with the query's signature, unless it takes that many arguments behind the state."""
    signature = inspect.signature(named(app, name))
    try:
        signature.bind(None, *arguments)
    except TypeError as error:
        raise WrongUse(
            f"{app.name}: the query {name}{signature} does not take {list(arguments)!r} behind the state: {error}"
        ) from None


def from_texts(app: App, name: str, texts: Sequence[str]) -> list[Any]:
    """Arguments given as text: as the query's annotations say (int, float, str), else as JSON, else the text itself."""
    check_arguments(app, name, texts)
    function = named(app, name)
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)[1:]
    values: list[Any] = []
    for place, text in enumerate(texts):
        parameter = parameters[place] if place < len(parameters) else ""
        values.append(_value(app, name, parameter, text, hints.get(parameter)))
    return values


def _value(app: App, name: str, parameter: str, text: str, hint: Any) -> Any:
    if hint is str:
        return text
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise WrongUse(f"{app.name}: {parameter} of the query {name} is {hint.__name__}, not {text!r}") from None
    try:
        return json.loads(text)
    except ValueError:
        return text
