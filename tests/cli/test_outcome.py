from dataclasses import replace
from pathlib import Path

from coldstart.cli.demo import agreement_text
from coldstart.cli.outcome import outcome_text
from coldstart.demo.compare import Agreement
from coldstart.io.run_records import ClassSummary, Summary
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
    classes=(ClassSummary(1, 12.25, 1.0),),
)


def test_outcome_names_files_and_figures() -> None:
    text = outcome_text(Path("out"), SUMMARY)
    for part in ("Completed 700 iterations in 1 min 15 s on A device.", str(Path("out/volume.mrc")), "12.2 Å",
                 str(Path("out/particles.star")), "1,400 particles, 100 unused", str(Path("out/report.html")),
                 "2 min 20 s", "512 MiB (device 256 MiB)"):  # fmt: skip
        assert part in text


def test_outcome_of_a_stopped_run_and_of_several_classes() -> None:
    classes = (ClassSummary(1, 12.25, 0.75), ClassSummary(2, None, 0.25))
    text = outcome_text(Path("out"), replace(SUMMARY, status="stopped", classes=classes, notes=("Look here.",)))
    for part in ("Stopped after 700 iterations", "volume_class_2.mrc", "unknown, 25% of the particles", "Look here."):
        assert part in text


def test_outcome_of_an_audited_run_has_one_line_on_it() -> None:
    plain = outcome_text(Path("out"), SUMMARY)
    audited = outcome_text(Path("out"), replace(SUMMARY, verify_bound=BoundAudit(1200, 0.9995, 1.57e-5, 0.002)))
    (line,) = set(audited.splitlines()) - set(plain.splitlines())
    assert line == (
        "Pose search checked against the whole grid on 1,200 images: best pose kept for 99.95%, "
        "posterior mass lost 0.0016% in the mean and 0.20% at most."
    )
    assert "whole grid" not in plain


def test_agreement_in_words() -> None:
    text = agreement_text(Agreement(13.14, True, 2.26, 0.97, 3.3), Path("truth.mrc"))
    for part in ("truth.mrc", "13.1 Å (FSC = 0.5)", "mirror image", "2.3° and 3.3 Å", "97% are within 10°"):
        assert part in text
    assert "mirror" not in agreement_text(Agreement(13.14, False, 2.26, 0.97, 3.3), Path("truth.mrc"))
