"""One command-line option for every field of `AbInitioParams`, and the way back to the model.

Values stay text until pydantic reads them, so that one set of limits, the model's, judges flags and `--params` files
alike; what it refuses is told in one line that names the flag, the value and what is allowed.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from coldstart.cli.several import SeveralValues
from coldstart.errors import ParameterError
from coldstart.io.params_file import read_params_file
from coldstart.params import AbInitioParams, field_info
from coldstart.presets import PRESETS, preset_of
from coldstart.report.fields import field_choices, field_kind, refusals
from coldstart.report.parameters import field_note, fields_by_group, value_text

_UNIT_SUFFIXES = ("_angstrom", "_px", "_deg")
_ALIASES = {"particles_to_use": ("-n",)}
_SEVERAL = {"classes": field_info("most_classes").description}
"""Fields whose option takes several values, and what these do."""
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


def parameter_file_options(command: Command) -> Command:
    """Decorator that gives a command the options of whole sets of parameters: a file, and a preset."""
    command = click.option(
        "--preset",
        type=click.Choice([preset.key for preset in PRESETS]),
        panel="Options",
        help="Parameters for a common situation; those of --params and flags given here override it.",
    )(command)
    return click.option(
        "--params",
        "params_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        panel="Options",
        help="Parameters as JSON, such as the params.json of an earlier run; flags given here override it.",
    )(command)


def merge_parameters(
    flags: Mapping[str, Any], params_file: Path | None = None, preset: str | None = None
) -> AbInitioParams:
    """Parameters from flags over those of a file over those of a preset over the defaults.

    Parameters
    ----------
    flags : mapping
        Field name to value; None where the flag was not given.
    params_file : Path or None
        JSON object of field names and values, such as the `params.json` of a run.
    preset : str or None
        Name of a preset.

    Raises
    ------
    ParameterError
        If the file cannot be read, or a value is refused by the model.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    from_preset = preset_of(preset).changes if preset is not None else {}
    from_file = read_params_file(params_file) if params_file is not None else {}
    try:
        return AbInitioParams.model_validate({**from_preset, **from_file, **given})
    except ValidationError as error:
        text = refusals(
            error, lambda name: flag_name(name) if name in given else f"{params_file}: {name}", str(params_file)
        )
        raise ParameterError(text) from None


def merge_jobs(
    flags: Mapping[str, Any], params_file: Path | None = None, preset: str | None = None
) -> tuple[AbInitioParams, ...]:
    """Parameters of each job, one for each number of classes in the flags: those of the file's number where none is.

    Raises
    ------
    ParameterError
        As `merge_parameters`.
    """
    numbers = flags["classes"] or (None,)
    return tuple(merge_parameters({**flags, "classes": number}, params_file, preset) for number in numbers)


def _option(name: str, field: FieldInfo) -> Callable[[Command], Command]:
    kind = field_kind(name)
    flag = flag_name(name)
    common: dict[str, Any] = {"default": None, "help": _help(name, field), "panel": field_note(name, "group")}
    if kind is bool:
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", name, **common)
    if choices := field_choices(name):
        return click.option(flag, name, type=click.Choice(choices), **common)
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
