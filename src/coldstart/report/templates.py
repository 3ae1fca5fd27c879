"""The pages' templates, which lie beside this file, filled in."""

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render_template(name: str, **values: object) -> str:
    """The page of a template as HTML text that refers to nothing outside itself."""
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(values)


def _source(name: str) -> str:
    return files("coldstart.report").joinpath(name).read_text(encoding="utf-8")
