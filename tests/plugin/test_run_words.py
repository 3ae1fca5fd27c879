"""A run in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from coldstart.io.class_records import ClassSummary
from coldstart.io.opened_run import MapFile, OpenedRun
from coldstart.io.results import RunFolder
from coldstart.io.run_records import Summary
from coldstart.plugin.run_words import class_flags, ending_text, facts, notes, status_sentence, summary_html

DONE = Summary(
    status="completed",
    seed=4,
    device="a card",
    wall_seconds=250.0,
    iterations=1200,
    particles_used=1500,
    particles_unused=20,
    resolution_angstrom=12.0,
    symmetry="D2",
    converged=True,
    classes=(ClassSummary(1, 14.0, 0.75, 1125, 0.8), ClassSummary(2, None, 0.25, 375, 0.1, is_noise=True)),
    notes=("Fewer classes may do.",),
)


def run_of(summary: Summary | None, maps: tuple[MapFile, ...] = ()) -> OpenedRun:
    return OpenedRun(RunFolder(Path("folder/run")), summary, None, (), (), maps, None, ())


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        (DONE, "Completed 1,200 iterations, the map having converged, in 4 min 10 s on a card."),
        (
            replace(DONE, status="stopped", converged=False),
            "Stopped after 1,200 iterations in 4 min 10 s on a card; the results are those of that moment.",
        ),
        (
            Summary(status="failed", seed=0, notes=("the pixel size is 0: say it with --pixel-size.",)),
            "This run failed: the pixel size is 0: say it with “Pixel size”. "
            "Shown are the maps of iteration 7, the last that were kept.",
        ),
        (
            Summary(status="suspended", seed=0, notes=("suspended",)),
            "This run is paused, and can go on from where it was left. "
            "Shown are the maps of iteration 7, the last that were kept.",
        ),
        (None, "What became of this run is not known: its summary.json cannot be read."),
    ],
)
def test_how_it_ended(summary: Summary | None, sentence: str) -> None:
    assert status_sentence(run_of(summary, (MapFile(1, Path("map.mrc"), iteration=7),))) == sentence


def test_a_run_that_goes_on() -> None:
    running = Summary(status="running", seed=0)
    assert status_sentence(run_of(running)).endswith("or was broken off. It left no map.")
    assert status_sentence(run_of(running, (MapFile(1, Path("map.mrc")),))).endswith("are there all the same.")


def test_facts_and_notes() -> None:
    assert dict(facts(run_of(DONE))) == {
        "Particles": "1,500 used, 20 unused",
        "Finest detail used": "12.0 Å",
        "Symmetry": "D2",
        "Seed": "4",
    }
    assert facts(run_of(None)) == []
    assert notes(DONE) == DONE.notes
    assert notes(Summary(status="failed", seed=0, notes=("why", "besides"))) == ("besides",)


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({}, ["like 3"]),
        ({"flatness": 0.1}, ["flat", "like 3"]),
        ({"particles": 0, "is_noise": True}, ["empty", "noise"]),
        ({"number": 2, "flatness": None}, []),
    ],
)
def test_what_stands_out_of_a_class(changes: dict[str, object], flags: list[str]) -> None:
    entry = ClassSummary(1, 14.0, 0.3, 300, 0.8)
    noise = ClassSummary(4, None, 0.1, 100, 0.8, is_noise=True)
    others = (entry, replace(entry, number=2), replace(entry, number=3), noise)
    alike = ((1.0, 0.2, 0.9, 0.9), (0.2, 1.0, 0.3, 0.1), (0.9, 0.3, 1.0, 0.1), (0.9, 0.1, 0.1, 1.0))
    summary = replace(DONE, classes=others, class_similarity=alike)
    assert class_flags(summary, replace(entry, **changes)) == flags  # type: ignore[arg-type]


def test_of_noise_no_resolution_is_told() -> None:
    """Though the summary has a figure."""
    first, noise = DONE.classes[0], replace(DONE.classes[1], resolution_angstrom=20.7)
    assert ending_text(replace(DONE, classes=(first, noise))).endswith("Halves agree to 14.0 Å, – (noise).")
    assert ending_text(replace(DONE, classes=(noise,))).endswith("4 min 10 s. The map is noise.")
    html = summary_html(run_of(replace(DONE, classes=(first, noise))), [])
    assert "20.7" not in html
    assert "<td>–&nbsp;&nbsp;</td><td>noise&nbsp;&nbsp;</td>" in html


def test_the_text_shows_everything_and_no_markup_of_a_file() -> None:
    html = summary_html(run_of(replace(DONE, device="<b>card</b>")), ["a <file> is damaged"])
    for part in (
        "Completed",
        "1,125",
        "75%",
        "14.0&nbsp;Å",
        "noise",
        "Fewer classes may do.",
        "a &lt;file&gt; is damaged",
    ):
        assert part in html
    assert "<b>card" not in html
