"""The documentation agrees with the program, and its links lead somewhere."""

import ast
import importlib
import re
import runpy
from pathlib import Path

from coldstart.params import AbInitioParams

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def test_page_of_parameters_is_up_to_date(repository: Path) -> None:
    script = runpy.run_path(str(repository / "docs" / "make_parameters.py"))
    committed = (repository / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert committed == script["page"](), "run: python docs/make_parameters.py"


def test_page_of_parameters_names_every_field_once(repository: Path) -> None:
    committed = (repository / "docs" / "parameters.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `--[^|]*\| `(\w+)` \|", committed, flags=re.MULTILINE)
    assert sorted(named) == sorted(AbInitioParams.model_fields)


def test_cryosparc_names_belong_to_fields(repository: Path) -> None:
    script = runpy.run_path(str(repository / "docs" / "make_parameters.py"))
    assert set(script["CRYOSPARC"]) <= set(AbInitioParams.model_fields)


def test_relative_links_lead_to_files(repository: Path) -> None:
    pages = [*repository.glob("*.md"), *(repository / "docs").glob("**/*.md")]
    assert len(pages) > 5
    broken = [
        f"{page.relative_to(repository)}: {target}"
        for page in pages
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_navigation(repository: Path) -> None:
    navigation = (repository / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    named = re.findall(r"([\w.]+\.md)$", navigation, flags=re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in (repository / "docs").glob("*.md"))


def test_constants_of_the_method_are_those_of_the_code(repository: Path) -> None:
    rows = re.findall(
        r"^\| `([\w.]+)` \| ([\d., ()]+) \|", (repository / "docs" / "method.md").read_text(encoding="utf-8"), re.M
    )
    assert len(rows) > 20
    for name, value in rows:
        room, module, *attributes = name.split(".")
        found = importlib.import_module(f"coldstart.{room}.{module}")
        for attribute in attributes:
            found = getattr(found, attribute)
        assert found == ast.literal_eval(value), name
