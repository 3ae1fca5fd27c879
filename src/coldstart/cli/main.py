"""The `coldstart` command: verbs, version, and how errors are told."""

from typing import Any

import rich_click as click

from coldstart import __version__
from coldstart.cli.bench import bench
from coldstart.cli.check import check
from coldstart.cli.demo import demo
from coldstart.cli.devices import devices
from coldstart.cli.pick import pick
from coldstart.cli.resume import resume
from coldstart.cli.run import run
from coldstart.cli.symmetry import symmetry
from coldstart.errors import ColdstartError, RunSuspended

_USER_ERROR = 2
_SUSPENDED = 75
"""EX_TEMPFAIL of sysexits.h: not done, to be taken up again."""


class _Verbs(click.RichGroup):
    """A group whose verbs may raise `ColdstartError`: its message is shown without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs in the order in which they are of use, not of the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RunSuspended as left:
            click.echo(str(left), err=True)
            ctx.exit(_SUSPENDED)
        except ColdstartError as error:
            click.echo(f"Error: {error}", err=True)
            _say_notes(error)
            ctx.exit(_USER_ERROR)
        except KeyboardInterrupt as error:
            _say_notes(error)
            raise


def _say_notes(error: BaseException) -> None:
    """What else there is to say, such as how the run goes on."""
    for note in getattr(error, "__notes__", ()):
        click.echo(note, err=True)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="coldstart")
def main() -> None:
    """Ab-initio 3D reconstruction of cryo-EM particle images, on any OpenCL device.

    Start with `coldstart demo`, or with `coldstart run particles.star -o output`.
    """


for verb in (run, check, resume, pick, symmetry, demo, devices, bench):
    main.add_command(verb)
