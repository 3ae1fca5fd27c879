"""Made-up runs for the report."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from coldstart.model.half_report import HalfReport
from coldstart.model.particles import Ctf
from coldstart.model.state import ClassReport, IterationStats, PoseTable, RunResult, Snapshot, StageCount
from coldstart.params import AbInitioParams
from coldstart.report.content import ReportContent
from coldstart.report.evolution import map_panels
from coldstart.report.page import render_report

STAGES = (StageCount(0, 10.0, 90, 10_368_000, 137_200, 1_741_824_000), StageCount(1, 11.0, 90, 177_216, 540, 900_000))
COUNT, INPUT_COUNT, SIDE, PIXEL_ANGSTROM = 40, 50, 16, 5.0

MakeStats = Callable[..., IterationStats]
MakeResult = Callable[..., RunResult]
MakeContent = Callable[..., ReportContent]


def made_up_stats(iteration: int, phase: str = "initial", **changes: object) -> IterationStats:
    record = IterationStats(
        iteration=iteration, iterations=4, phase=phase, resolution_angstrom=40.0 / iteration, fourier_radius=iteration,
        minibatch=90, learning_rate=0.4, noise_scale=2.0, ess_rotations=30.0 / iteration, ess_poses=2.0,
        ess_fraction=0.01, angular_step_deg=7.5, log_likelihood=-1.0, map_change=0.1, image_visits=90 * iteration,
        sampled_fraction=0.0, seconds=0.1, limited_fraction=0.5, evaluated_fraction=0.02, stages=STAGES,
    )  # fmt: skip
    return replace(record, **changes)


def made_up_poses(classes: list[int], class_count: int) -> PoseTable:
    """Particles that are in these classes with a posterior of 0.9, or 1 where there is one class alone."""
    count, rng = len(classes), np.random.default_rng(1)
    rest = 0.1 / max(class_count - 1, 1)
    posterior = np.full((count, class_count), rest if class_count > 1 else 1.0)
    posterior[np.arange(count), classes] = 0.9 if class_count > 1 else 1.0
    return PoseTable(
        particle=np.arange(count),
        euler_deg=rng.uniform(0, 180, (count, 3)),
        origin_angstrom=np.zeros((count, 2)),
        class_posterior=posterior,
        log_likelihood=np.full(count, 2.5),
        ess=np.ones(count),
        max_posterior=np.ones(count),
        used=np.ones(count, bool),
    )


def made_up_report(**changes: object) -> ClassReport:
    curve = np.linspace(1.0, 0.0, SIDE // 2)
    halves = HalfReport(unmasked=curve**2, masked=curve, mask_share=0.08)
    return replace(ClassReport(0.5, 14.0, curve, 0.8, is_noise=False, halves=halves), **changes)


def made_up_result(class_count: int = 1, classes: list[int] | None = None, **changes: object) -> RunResult:
    """A run with its particles spread evenly over the classes, unless it is said in which they are."""
    volumes = np.random.default_rng(0).random((class_count, SIDE, SIDE, SIDE), dtype=np.float32)
    shares = (1.0 / class_count,) * class_count
    phases = ("initial", "marching", "final", "posing")
    rows = tuple(
        made_up_stats(number, phase, class_shares=shares, class_similarity=0.1, class_ess=1.2)
        for number, phase in enumerate(phases, 1)
    )
    members = [number % class_count for number in range(COUNT)] if classes is None else classes
    similarity = np.full((class_count, class_count), 0.3) + 0.7 * np.eye(class_count)
    result = RunResult(
        volumes, PIXEL_ANGSTROM, made_up_poses(members, class_count), rows, 13.25, "A device", 3 * 2**20,
        classes=(made_up_report(),) * class_count, similarity=similarity,
    )  # fmt: skip
    return replace(result, **changes)


def made_up_content(result: RunResult) -> ReportContent:
    rng = np.random.default_rng(2)
    drawn = [row for row in result.iterations if row.phase != "posing"]
    return ReportContent(
        name="my <run>",
        source="data/particles.star",
        params=AbInitioParams(seed=7),
        result=result,
        panels=tuple(map_panels(Snapshot(row, result.volumes, PIXEL_ANGSTROM)) for row in drawn),
        ctf=Ctf(*(rng.uniform(1e4, 2e4, INPUT_COUNT) for _ in range(10))),
        particle_count=INPUT_COUNT,
        wall_seconds=75.0,
        cpu_seconds=150.0,
        peak_host_bytes=2**30,
        version="1.2.3",
    )


@pytest.fixture
def make_stats() -> MakeStats:
    return made_up_stats


@pytest.fixture
def make_report() -> Callable[..., ClassReport]:
    return made_up_report


@pytest.fixture
def make_result() -> MakeResult:
    return made_up_result


@pytest.fixture
def make_content() -> MakeContent:
    return made_up_content


@pytest.fixture(scope="session")
def content() -> ReportContent:
    """A run of one class."""
    return made_up_content(made_up_result())


@pytest.fixture(scope="session")
def page(content: ReportContent) -> str:
    """Its report."""
    return render_report(content)


@pytest.fixture(scope="session")
def class_page() -> str:
    """The report of a run of three classes."""
    return render_report(made_up_content(made_up_result(3)))


@pytest.fixture
def without_course() -> Callable[[RunResult], str]:
    """Gives the report of a run without its iterations, whose many charts take their time."""
    return lambda result: render_report(made_up_content(replace(result, iterations=())))
