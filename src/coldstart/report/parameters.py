"""Parameters in words: titles, values with their units, and which ones were changed."""

from dataclasses import dataclass
from typing import Any

from coldstart.params import GROUPS, AbInitioParams, field_info


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """A parameter as the report lists it."""

    name: str
    title: str
    description: str
    value: str
    default: str
    changed: bool


def fields_by_group() -> dict[str, list[str]]:
    """Names of the fields under their groups, in the order in which they are shown."""
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in AbInitioParams.model_fields:
        groups[field_note(name, "group")].append(name)
    return groups


def field_note(name: str, key: str) -> str:
    """The "group" or the "unit" of a field, what it is called when "left_open", or at "zero"."""
    extra = field_info(name).json_schema_extra
    return str(extra[key]) if isinstance(extra, dict) else ""


def value_text(name: str, value: Any) -> str:
    """A field's value with its unit; "–" where it is left open."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if value == 0 and (chosen := field_note(name, "zero")):
        return f"0, {chosen}"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} {field_note(name, 'unit')}".strip()


def parameter_rows(params: AbInitioParams) -> dict[str, list[ParameterRow]]:
    """Rows of all parameters under their groups."""
    return {group: [_row(name, params) for name in names] for group, names in fields_by_group().items()}


def _row(name: str, params: AbInitioParams) -> ParameterRow:
    field, value = AbInitioParams.model_fields[name], getattr(params, name)
    return ParameterRow(
        name=name,
        title=str(field.title),
        description=str(field.description),
        value=value_text(name, value),
        default=value_text(name, field.default),
        changed=value != field.default,
    )
