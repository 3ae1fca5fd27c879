from dataclasses import replace
from pathlib import Path

from coldstart.cli.demo import agreement_text
from coldstart.cli.outcome import comparison_text, outcome_text
from coldstart.demo.compare import Agreement
from coldstart.io.class_records import ClassSummary
from coldstart.io.run_records import Summary
from coldstart.model.state import BoundAudit

SUMMARY = Summary(
    status="completed",
    seed=0,
    device="A device",
    wall_seconds=75.0,
    cpu_seconds=140.0,
    peak_host_bytes=2**29,
    peak_device_bytes=2**28,
    iterations=700,
    image_visits=100_000,
    particles_used=1400,
    particles_unused=100,
    classes=(ClassSummary(1, 12.25, 1.0, 1400, 0.8),),
)
THREE = (
    ClassSummary(1, 12.25, 0.75, 1125, 0.8),
    ClassSummary(2, None, 0.2, 300, 0.8),
    ClassSummary(3, 40.0, 0.05, 75, 0.8, is_noise=True),
)


def test_outcome_names_files_and_figures() -> None:
    text = outcome_text(Path("out"), SUMMARY)
    out = Path("out")
    assert text.splitlines() == [
        "Completed 700 iterations in 1 min 15 s on A device.",
        f"  map         {out / 'volume.mrc'}  (halves agree to 12.2 Å)",
        f"  table       {out / 'particles.star'}  (1,400 particles)",
        f"  unused      {out / 'particles_unused.star'}  (100 particles)",
        f"  other hand  {out / 'volume_flipped.mrc'}, {out / 'particles_flipped.star'}",
        f"  report      {out / 'report.html'}",
        "Processor time 2 min 20 s, memory 512 MiB (device 256 MiB).",
    ]


def test_outcome_of_a_stopped_run_and_of_several_classes() -> None:
    text = outcome_text(Path("out"), replace(SUMMARY, status="stopped", classes=THREE, notes=("Look here.",)))
    out = Path("out")
    *lines, _, last = text.splitlines()
    assert last == "It goes on as if it had not been stopped with: coldstart resume out"
    assert lines == [
        "Stopped after 700 iterations in 1 min 15 s on A device.",
        "Note: Look here.",
        f"  map 1       {out / 'volume_class_1.mrc'}  (halves agree to 12.2 Å, 75% of the particles)",
        f"  map 2       {out / 'volume_class_2.mrc'}  (resolution unknown, 20% of the particles)",
        f"  map 3       {out / 'volume_class_3.mrc'}  (noise, 5% of the particles)",
        f"  table       {out / 'particles_all_classes.star'}  (1,500 particles, 100 of them unused)",
        f"  by class    {out / 'particles_class_N.star'}",
        f"  other hand  {out / 'volume_class_N_flipped.mrc'}, {out / 'particles_all_classes_flipped.star'}",
        f"  report      {out / 'report.html'}",
    ]


def test_outcome_of_an_audited_run_has_one_line_on_it() -> None:
    plain = outcome_text(Path("out"), SUMMARY)
    audited = outcome_text(Path("out"), replace(SUMMARY, verify_bound=BoundAudit(1200, 0.9995, 1.57e-5, 0.002)))
    (line,) = set(audited.splitlines()) - set(plain.splitlines())
    assert line == (
        "Pose search checked against the whole grid on 1,200 images: best pose kept for 99.95%, "
        "posterior mass lost 0.0016% in the mean and 0.20% at most."
    )
    assert "whole grid" not in plain


def test_outcome_of_several_jobs_is_a_line_each() -> None:
    out = Path("out")
    several = (
        replace(SUMMARY, notes=("On both.",)),
        replace(SUMMARY, wall_seconds=300.0, classes=THREE, notes=("On both.", "On one.")),
    )
    assert comparison_text(out, several, 2).splitlines() == [
        "Completed 2 jobs in 6 min 15 s on A device.",
        "Note: On both.",
        "Note on 3 classes: On one.",
        f"  1 class     {out / 'classes_1'}  (resolution 12.2 Å)",
        f"  3 classes   {out / 'classes_3'}  (resolution 12.2 Å, unknown, noise)",
        f"  comparison  {out / 'report.html'}",
        "Processor time 4 min 40 s, memory 512 MiB (device 256 MiB).",
    ]


def test_a_job_whose_maps_are_all_noise_has_no_resolution() -> None:
    noise = replace(SUMMARY, classes=(replace(THREE[2], number=1), replace(THREE[2], number=2)))
    line = comparison_text(Path("out"), [SUMMARY, noise], 2).splitlines()[2]
    assert line == f"  2 classes   {Path('out') / 'classes_2'}  (noise)"


def test_outcome_of_jobs_that_were_stopped_names_those_that_ran() -> None:
    in_first = comparison_text(Path("out"), [replace(SUMMARY, status="stopped")], 3)
    assert in_first.startswith("Stopped in job 1 of 3 after 1 min 15 s on A device.")
    assert "classes_2" not in in_first
    assert in_first.endswith("with: coldstart resume out")
    after_first = comparison_text(Path("out"), [SUMMARY], 3)
    assert after_first.startswith("Stopped after job 1 of 3, in 1 min 15 s on A device.")
    assert after_first.endswith("with: coldstart resume out")


def test_agreement_in_words() -> None:
    text = agreement_text(Agreement(13.14, True, 2.26, 0.97, 3.3), Path("truth.mrc"))
    for part in ("truth.mrc", "13.1 Å (FSC = 0.5)", "mirror image", "2.3° and 3.3 Å", "97% are within 10°"):
        assert part in text
    assert "mirror" not in agreement_text(Agreement(13.14, False, 2.26, 0.97, 3.3), Path("truth.mrc"))
