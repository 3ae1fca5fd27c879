"""The fields of `AbInitioParams` as forms and messages need them: kind, range, and what is wrong with a value."""

import difflib
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from coldstart.params import AbInitioParams, RunPlan, field_info

_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class FieldRange:
    """The limits of a number; None where it has none. A limit that is not `included` may be approached, not taken."""

    low: float | None = None
    high: float | None = None
    low_included: bool = True
    high_included: bool = True


def field_kind(name: str) -> Any:
    """The type of a field without 'or None': int, float, bool, str, or a Literal."""
    annotation = field_info(name).annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next(arg for arg in get_args(annotation) if arg is not type(None))
    return annotation


def field_choices(name: str) -> tuple[str, ...]:
    """The values that a field of few choices may have; empty for others."""
    kind = field_kind(name)
    return get_args(kind) if get_origin(kind) is Literal else ()


def is_optional(name: str) -> bool:
    """Whether a field may be left open."""
    return type(None) in get_args(field_info(name).annotation)


def field_range(name: str) -> FieldRange:
    """The limits of a field."""
    found: dict[str, Any] = {}
    for limit in field_info(name).metadata:
        if isinstance(limit, (Ge, Gt)):
            found |= {"low_included": isinstance(limit, Ge)}
            found["low"] = limit.ge if isinstance(limit, Ge) else limit.gt
        elif isinstance(limit, (Le, Lt)):
            found |= {"high_included": isinstance(limit, Le)}
            found["high"] = limit.le if isinstance(limit, Le) else limit.lt
    return FieldRange(**found)


def allowed_values(name: str) -> str:
    """What a field accepts, in words: 'a whole number from 1 to 100'."""
    choices = field_choices(name)
    if choices:
        return " or ".join(str(choice) for choice in choices)
    return f"{_TYPE_NAMES[field_kind(name)]} {_range_words(name)}".strip()


def refusals(error: ValidationError, place: Callable[[str], str], unknown: str) -> str:
    """What the model refused, a line a value, with what is allowed.

    Parameters
    ----------
    error : ValidationError
        Of `AbInitioParams` or `RunPlan`.
    place : callable
        From the name of a field to what the user knows it by.
    unknown : str
        Where names come from that are no field's.
    """
    return "\n".join(_refusal(detail, place, unknown) for detail in error.errors())


def _refusal(detail: ErrorDetails, place: Callable[[str], str], unknown: str) -> str:
    if not detail["loc"]:
        return detail["msg"].removeprefix("Value error, ")
    name = str(detail["loc"][0])
    if name not in {**AbInitioParams.model_fields, **RunPlan.model_fields}:
        near = difflib.get_close_matches(name, AbInitioParams.model_fields, n=1)
        return f"{unknown}: there is no parameter {name!r}{f'; did you mean {near[0]!r}?' if near else '.'}"
    return f"{place(name)} is {detail['input']!s}, but must be {allowed_values(name)}."


def _range_words(name: str) -> str:
    """The range in words: 'from 1 to 100', 'above 0 and at most 1'."""
    limits = field_range(name)
    words = []
    if limits.low is not None:
        words.append(f"{'from' if limits.low_included else 'above'} {limits.low}")
    if limits.high is not None:
        words.append(f"{'at most' if limits.high_included else 'below'} {limits.high}")
    text = " and ".join(words)
    return text.replace(" and at most", " to") if text.startswith("from") else text
