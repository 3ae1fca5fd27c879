"""One command-line option for every field of `AbInitioParams`, and the way back to the model.

Values stay text until pydantic reads them, so that one set of limits, the model's, judges flags and `--params` files
alike; what it refuses is told in one line that names the flag, the value and what is allowed.
"""

import difflib
import json
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import rich_click as click
from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from coldstart.cli.several import SeveralValues
from coldstart.errors import ParameterError
from coldstart.params import AbInitioParams
from coldstart.report.parameters import field_note, fields_by_group, value_text

_UNIT_SUFFIXES = ("_angstrom", "_px", "_deg")
_ALIASES = {"particles_to_use": ("-n",)}
_SEVERAL = {"classes": "Several numbers run a job each on the same data, and a report compares them."}
"""Fields whose option takes several values, and what these do."""
_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}

Command = TypeVar("Command", bound=Callable[..., Any])


class _WholeNumbers(SeveralValues):
    """An option of several whole numbers, told from paths by their digits and left as text for the model to judge."""

    def takes(self, text: str) -> bool:
        """Whether this is a whole number."""
        return text.removeprefix("-").isdecimal()


def flag_name(field: str) -> str:
    """The long option of a field: dashes for underscores, without a unit at its end."""
    for suffix in _UNIT_SUFFIXES:
        field = field.removesuffix(suffix)
    return "--" + field.replace("_", "-")


def parameter_options(*names: str) -> Callable[[Command], Command]:
    """Decorator that gives a command the options of these fields, or of all where none is named."""
    chosen = [name for group in fields_by_group().values() for name in group if not names or name in names]

    def decorate(command: Command) -> Command:
        for name in reversed(chosen):
            command = _option(name, AbInitioParams.model_fields[name])(command)
        return command

    return decorate


def merge_parameters(flags: Mapping[str, Any], params_file: Path | None = None) -> AbInitioParams:
    """Parameters from flags over those of a file over the defaults.

    Parameters
    ----------
    flags : mapping
        Field name to value; None where the flag was not given.
    params_file : Path or None
        JSON object of field names and values, such as the `params.json` of a run.

    Raises
    ------
    ParameterError
        If the file cannot be read, or a value is refused by the model.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    from_file = _read_params_file(params_file) if params_file is not None else {}
    try:
        return AbInitioParams.model_validate({**from_file, **given})
    except ValidationError as error:
        lines = [_complaint(detail, given, params_file) for detail in error.errors()]
        raise ParameterError("\n".join(lines)) from None


def merge_jobs(flags: Mapping[str, Any], params_file: Path | None = None) -> tuple[AbInitioParams, ...]:
    """Parameters of each job, one for each number of classes in the flags: those of the file's number where none is.

    Raises
    ------
    ParameterError
        As `merge_parameters`.
    """
    numbers = flags["classes"] or (None,)
    return tuple(merge_parameters({**flags, "classes": number}, params_file) for number in numbers)


def allowed_values(name: str) -> str:
    """What a field accepts, in words: 'a whole number from 1 to 100'."""
    field = AbInitioParams.model_fields[name]
    kind = _kind(field)
    if get_origin(kind) is Literal:
        return " or ".join(str(choice) for choice in get_args(kind))
    return f"{_TYPE_NAMES[kind]} {_limits(field)}".strip()


def _option(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    kind = _kind(field)
    flag = flag_name(name)
    common: dict[str, Any] = {"default": None, "help": _help(name, field), "panel": field_note(name, "group")}
    if kind is bool:
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", name, **common)
    if get_origin(kind) is Literal:
        return click.option(flag, name, type=click.Choice(get_args(kind)), **common)
    if name in _SEVERAL:
        return click.option(flag, name, cls=_WholeNumbers, type=str, metavar=f"{_METAVARS[kind]} ...", **common)
    return click.option(*_ALIASES.get(name, ()), flag, name, type=str, metavar=_METAVARS[kind], **common)


def _help(name: str, field: FieldInfo) -> str:
    """What the field says of itself with its default, or with its unit where it is left open."""
    unit = field_note(name, "unit")
    text = " ".join(filter(None, (field.description, _SEVERAL.get(name))))
    if field.default is not None:
        return f"{text} [default: {value_text(name, field.default)}]"
    return f"{text} [in {unit}]" if unit else text


def _kind(field: FieldInfo) -> Any:
    """The field's type without 'or None'."""
    if get_origin(field.annotation) in (Union, types.UnionType):
        return next(arg for arg in get_args(field.annotation) if arg is not type(None))
    return field.annotation


def _limits(field: FieldInfo) -> str:
    """The range in words: 'from 1 to 100', 'above 0 and at most 1'."""
    words = []
    for limit in field.metadata:
        if isinstance(limit, Ge):
            words.append(f"from {limit.ge}")
        elif isinstance(limit, Gt):
            words.append(f"above {limit.gt}")
        elif isinstance(limit, Le):
            words.append(f"at most {limit.le}")
        elif isinstance(limit, Lt):
            words.append(f"below {limit.lt}")
    text = " and ".join(words)
    return text.replace(" and at most", " to") if text.startswith("from") else text


def _read_params_file(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error
    except ValueError as error:
        raise ParameterError(f"{path} is not JSON: {error}. Start from the params.json of a run.") from error
    if not isinstance(content, dict):
        raise ParameterError(f"{path} holds no JSON object of parameter names and values.")
    return content


def _complaint(detail: ErrorDetails, given: Mapping[str, Any], params_file: Path | None) -> str:
    """One line about one value that the model refused."""
    if not detail["loc"]:
        return detail["msg"].removeprefix("Value error, ")
    name = str(detail["loc"][0])
    if name not in AbInitioParams.model_fields:
        near = difflib.get_close_matches(name, AbInitioParams.model_fields, n=1)
        return f"{params_file}: there is no parameter {name!r}{f'; did you mean {near[0]!r}?' if near else '.'}"
    where = flag_name(name) if name in given else f"{params_file}: {name}"
    return f"{where} is {detail['input']!s}, but must be {allowed_values(name)}."
