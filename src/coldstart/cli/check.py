"""`coldstart check`: what is wrong with particles, before a run finds out."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich_click as click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from coldstart.cli.options import merge_jobs, parameter_file_options, parameter_options
from coldstart.cli.several import SeveralValuesCommand
from coldstart.errors import ParameterError, ParticleFileError
from coldstart.model.check_report import ERROR, CheckReport, CtfFacts, Forecast, Severity
from coldstart.report.text import bytes_text, duration_text

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "yellow", "note": "dim"}
_PICTURES = ("rows", "images", "average")
"""Statistics that are arrays of pixels, or belong to them: not for JSON."""


@click.command(cls=SeveralValuesCommand)
@click.argument("particles", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead, for scripts.")
@click.option("--quick", is_flag=True, help="Look at some hundred images, as each run does first, instead of at all.")
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Folder that the table's stack paths start from; the table's own folder when empty.",
)
@parameter_options()
@parameter_file_options
@click.pass_context
def check(
    ctx: click.RichContext, /, particles: Path, as_json: bool, quick: bool, data_root: Path | None,
    params_file: Path | None, preset: str | None, **flags: Any,
) -> None:  # fmt: skip
    """Check PARTICLES before a run: the table, the images, and whether they belong together.

    The exit code is 0 where nothing was found, 1 with warnings and 2 with errors. The parameters of a run act here as
    they would there, and memory, time and minibatches are told for them: check with them, and then run with the same.
    """
    from coldstart.api import check_particles

    jobs = merge_jobs(flags, params_file, preset)
    if len(jobs) > 1:
        raise ParameterError("--classes takes one number here: give the largest, whose job needs the most memory.")
    console = Console(stderr=as_json)
    with Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=24), console=console, transient=True,
        disable=not console.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=1.0)
        report = check_particles(
            particles, jobs[0], data_root=data_root, thorough=not quick,
            on_progress=lambda step, share: bar.update(task, description=step, completed=share),
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(report_json(report), indent=2, ensure_ascii=False))
    else:
        print_report(report, Console())
    ctx.exit(report.exit_code)


def print_report(report: CheckReport, console: Console) -> None:
    """The facts in a few lines, and the findings as a table."""
    for line in facts(report):
        console.print(escape(line), highlight=False, soft_wrap=True)
    print_findings(report, console)


def print_findings(report: CheckReport, console: Console) -> None:
    """The findings as a table, or that there are none."""
    if not report.findings:
        console.print("Nothing was found that speaks against a run.", highlight=False)
        return
    table = Table("", "Finding", "What to do", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    for finding in report.findings:
        severity = f"[{_STYLES[finding.severity]}]{finding.severity}[/]"
        table.add_row(severity, escape(finding.message), escape(finding.remedy))
    console.print(table, highlight=False)


def judge_check(report: CheckReport, *, despite_errors: bool) -> None:
    """Print what a check at the head of a run found, and refuse to go on where there are errors.

    Raises
    ------
    ParticleFileError
        If there is an error, and not `despite_errors`.
    """
    console = Console(stderr=True)
    if report.exit_code:
        print_findings(report, console)
    if report.forecast is not None:
        console.print(escape(forecast_text(report.forecast)), highlight=False, soft_wrap=True)
    if report.exit_code == ERROR and not despite_errors:
        raise ParticleFileError(
            "nothing was run, because the check found errors. Do what it says, or run with --despite-errors."
        )


def facts(report: CheckReport) -> Iterator[str]:
    """What the particles are, and what a run will need."""
    if report.count:
        box_angstrom = report.box_px * report.pixel_size_angstrom
        yield f"{report.source}: {report.count:,} particles in boxes of {report.box_px} px, {box_angstrom:.0f} Å"
        yield f"Pixel size {report.pixel_size_angstrom:.4g} Å; {_ctf_text(report.ctf)}"
    if report.statistics is not None and report.statistics.diameter_angstrom is not None:
        yield f"Diameter of the particle about {report.statistics.diameter_angstrom:.0f} Å"
    if report.forecast is not None:
        yield forecast_text(report.forecast)


def forecast_text(forecast: Forecast) -> str:
    """What a run will need, in a line."""
    shortest, longest = map(duration_text, forecast.seconds)
    of_classes = f" of {forecast.classes} classes" if forecast.classes > 1 else ""
    return (
        f"A run{of_classes} takes {shortest} to {longest} on {forecast.device_name}: at most {forecast.iterations} "
        f"iterations of {forecast.initial_minibatch}, later {forecast.final_minibatch} images, "
        f"{bytes_text(forecast.device_bytes)} of the device's {bytes_text(forecast.device_capacity_bytes)} and "
        f"{bytes_text(forecast.host_bytes)} of memory."
    )


def report_json(report: CheckReport) -> dict[str, Any]:
    """The report without its pictures, as JSON has it."""
    statistics = report.statistics
    return {
        "source": report.source,
        "exit_code": report.exit_code,
        "count": report.count,
        "box_px": report.box_px,
        "pixel_size_angstrom": report.pixel_size_angstrom,
        "ctf": None if report.ctf is None else asdict(report.ctf),
        "findings": [asdict(finding) for finding in report.findings],
        "statistics": None
        if statistics is None
        else {name: _plain(getattr(statistics, name)) for name in statistics.__slots__ if name not in _PICTURES},
        "forecast": None if report.forecast is None else asdict(report.forecast),
    }


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _ctf_text(ctf: CtfFacts | None) -> str:
    if ctf is None:
        return "no CTF"
    low, high = (value / 1e4 for value in ctf.defocus_angstrom)
    voltages = ", ".join(f"{value:g}" for value in ctf.voltage_kv)
    return f"defocus {low:.2f} to {high:.2f} µm, {voltages} kV{', phase plate' if ctf.has_phase_shift else ''}"
