import pytest
import rich_click as click
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from coldstart.cli.several import SeveralValues, SeveralValuesCommand, repeat_flags


@click.command(cls=SeveralValuesCommand)
@click.argument("folder")
@click.option("--class", "-k", "classes", cls=SeveralValues, type=click.IntRange(min=1))
@click.option("--label", "labels", cls=SeveralValues, type=click.Choice(["used", "unused"]))
@click.option("-o", "output")
def verb(folder: str, classes: tuple[int, ...], labels: tuple[str, ...], output: str | None) -> None:
    click.echo(f"{folder} {classes} {labels} {output}")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(verb, arguments)


@pytest.mark.parametrize(
    ("typed", "heard"),
    [
        ("out", "out () () None"),
        ("out --class 1 3", "out (1, 3) () None"),
        ("--class 1 3 out", "out (1, 3) () None"),
        ("out --class 1 --class 3", "out (1, 3) () None"),
        ("out --class=1 3 -k 2 4", "out (1, 3, 2, 4) () None"),
        ("out --class 1 3 -o 5", "out (1, 3) () 5"),
        ("--label used unused --class 2 out -o x", "out (2,) ('used', 'unused') x"),
        ("--class 1 3 -- 4", "4 (1, 3) () None"),
    ],
)
def test_values_follow_their_flag(typed: str, heard: str) -> None:
    result = invoke(*typed.split())
    assert result.exit_code == 0, result.output
    assert result.output == heard + "\n"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("out --class", "requires an argument"),
        ("out --class zero", "'zero' is not a valid integer"),
        ("out --class 0", "0 is not in the range"),
        ("out --label used broken", "unexpected extra argument"),
        ("--class 1 3", "Missing argument"),
    ],
)
def test_what_does_not_fit_is_refused_by_click(typed: str, message: str) -> None:
    result = invoke(*typed.split())
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


@given(st.lists(st.sampled_from(["--class", "--class=4", "-o", "--", "1", "22", "out", "-1", ""])))
def test_only_flags_are_added(arguments: list[str]) -> None:
    repeated = repeat_flags(arguments, {"--class": str.isdigit})
    again = iter(repeated)
    assert all(argument in again for argument in arguments)
    assert set(repeated) <= {*arguments, "--class"}
    assert repeat_flags(repeated, {"--class": str.isdigit}) == repeated
