"""Options that take several values after one flag, `--class 1 3`, as well as the flag again, `--class 1 --class 3`.

An option of click takes a fixed number of values. The command therefore repeats the flag before each further value, and
leaves the rest to click.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import rich_click as click


class SeveralValues(click.RichOption):
    """An option of one or more values; its type must tell its values from other arguments, such as paths."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, multiple=True, **kwargs)

    def takes(self, text: str) -> bool:
        """Whether this can be one of its values."""
        try:
            self.type(text, self)
        except click.BadParameter:
            return False
        return True


class SeveralValuesCommand(click.RichCommand):
    """A command some of whose options may be `SeveralValues`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, each value behind a flag of its own."""
        options = [option for option in self.params if isinstance(option, SeveralValues)]
        takes = {flag: option.takes for option in options for flag in option.opts}
        return super().parse_args(ctx, repeat_flags(args, takes))


def repeat_flags(args: Sequence[str], takes: Mapping[str, Callable[[str], bool]]) -> list[str]:
    """Repeat the flag before each further value: `--class 1 3 out` becomes `--class 1 --class 3 out`.

    Parameters
    ----------
    args : sequence of str
        As typed. What stands after `--` is left alone.
    takes : mapping
        Flag to a function that says whether an argument can be one of its values. The first value is not asked about:
        click says what is wrong with it.
    """
    repeated: list[str] = []
    flag, rest = "", iter(args)
    for argument in rest:
        name, equals, _ = argument.partition("=")
        if argument == "--":
            return [*repeated, argument, *rest]
        if name in takes:
            flag = name
            repeated += [argument, *islice(rest, 0 if equals else 1)]
        elif flag and takes[flag](argument):
            repeated += [flag, argument]
        else:
            flag = ""
            repeated.append(argument)
    return repeated
