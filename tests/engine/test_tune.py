"""The tuning takes the fastest of the candidates that give the preset's numbers."""

from dataclasses import replace

import numpy as np
import pytest

from coldstart.compute.tuning import Tuning, fits_kernels
from coldstart.engine import tune
from coldstart.engine.tune import Trial, fastest, measure_tuning
from coldstart.errors import KernelBuildError

PRESET = Tuning(vector_width=8, score_rows=4, chunk=32, muladd=1, copies=2, atomic=False)


def grid(width, rows, seconds, verdict=""):
    return Trial("grid", replace(PRESET, vector_width=width, score_rows=rows), seconds, 0.0, verdict)


def cells(width, chunk, seconds, verdict=""):
    return Trial("cells", replace(PRESET, vector_width=width, chunk=chunk), seconds, 0.0, verdict)


def test_the_least_sum_of_one_vector_width_wins():
    grids = (grid(4, 4, 1.0), grid(8, 4, 2.0), grid(8, 8, 1.5))
    candidates = (cells(4, 32, 3.0), cells(8, 32, 2.0), cells(8, 64, 1.8))
    assert fastest(PRESET, grids, candidates) == replace(PRESET, score_rows=8, chunk=64)
    assert fastest(PRESET, (grid(4, 4, 0.1), *grids[1:]), candidates) == replace(PRESET, vector_width=4)


def test_what_gives_other_numbers_never_wins():
    grids = (grid(8, 4, 2.0), grid(8, 8, 0.1, "gives other numbers"), grid(4, 4, float("nan"), "does not compile"))
    assert fastest(PRESET, grids, (cells(8, 32, 1.0), cells(4, 32, 0.1))) == PRESET
    assert fastest(PRESET, (grids[1],), ()) == PRESET


def test_the_preset_stays_unless_another_is_clearly_faster():
    grids = (grid(8, 4, 1.0), grid(8, 8, 0.99))
    assert fastest(PRESET, grids, (cells(8, 32, 1.0),)) == PRESET


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(tune, "IMAGES", 4)
    monkeypatch.setattr(tune, "REPEATS", 1)


@pytest.mark.usefixtures("quick")
def test_every_candidate_gives_the_presets_numbers_here(profiled):
    before = profiled.tuning
    result = measure_tuning(profiled)
    assert profiled.tuning == before
    assert fits_kernels(result.best)
    assert {trial.kernel for trial in result.trials} == {"grid", "cells"}
    assert all(trial.verdict == "" and trial.seconds > 0 for trial in result.trials)
    assert all(fits_kernels(trial.tuning) for trial in result.trials)


@pytest.mark.usefixtures("quick")
def test_candidates_that_fail_are_told_and_passed_over(profiled, monkeypatch):
    workbench = tune._Workbench

    class Faulty(workbench):
        def run(self, kernel, tuning):
            if tuning.chunk == 64:
                raise KernelBuildError("no")
            seconds, values = super().run(kernel, tuning)
            return (0.0, np.full_like(values, np.nan)) if tuning.score_rows == 8 else (seconds, values)

    monkeypatch.setattr(tune, "_Workbench", Faulty)
    result = measure_tuning(profiled)
    assert {t.verdict for t in result.trials if t.tuning.score_rows == 8} == {"gives other numbers"}
    assert {t.verdict for t in result.trials if t.tuning.chunk == 64} == {"does not compile"}
    assert result.best.score_rows != 8
    assert result.best.chunk != 64
