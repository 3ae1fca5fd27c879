"""The pages' templates, which lie beside this file, filled in."""

import re
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

_OPTION = re.compile(r"--[a-z][a-z-]*")


def render_template(name: str, **values: object) -> str:
    """The page of a template as HTML text that refers to nothing outside itself."""
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["commands"] = _commands
    return environment.get_template(name).render(values)


def _commands(text: str) -> Markup:
    """Text in which the options of commands are set as such, so that they are not broken at their dashes."""
    return Markup(_OPTION.sub(r"<code>\g<0></code>", str(escape(text))))


def _source(name: str) -> str:
    return files("coldstart.report").joinpath(name).read_text(encoding="utf-8")
