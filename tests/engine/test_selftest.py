"""Kernels that are wrong, or do not compile, get rows that say so, and the others are still checked."""

import math

import pytest

from coldstart.compute import program
from coldstart.compute.program import kernel_source
from coldstart.engine.selftest.check import check_device
from coldstart.engine.selftest.comparisons import COMPARISONS


@pytest.fixture(autouse=True)
def few_comparisons(monkeypatch):
    chosen = tuple(c for c in COMPARISONS if c.name in ("rotation_rows", "row_starts", "copy_vectors"))
    monkeypatch.setattr("coldstart.engine.selftest.check.COMPARISONS", chosen)
    monkeypatch.setattr("coldstart.engine.memory.COPY_BYTES", 2**20)


@pytest.fixture
def spoil(monkeypatch, profiled_session):
    """Replace some text of a kernel file, for programs that are yet to be built."""

    def make(file, text, other):
        def spoilt(name):
            source = kernel_source(name)
            assert name != file or text in source
            return source.replace(text, other) if name == file else source

        monkeypatch.setattr(program, "kernel_source", spoilt)
        monkeypatch.setattr(profiled_session, "_programs", {})

    return make


def test_a_device_that_is_right(profiled):
    check = check_device(profiled)
    assert [row.result for row in check.kernels] == ["agrees"] * 3
    assert check.failures == ()
    assert check.device == profiled.info
    assert check.copy_gb_per_second > 0
    assert check.peak_gflops > 0
    assert profiled.profile.launches == []


def test_a_wrong_kernel(profiled, spoil):
    spoil("grid.cl", "-cg * sb", "cg * sb")
    check = check_device(profiled)
    (failed,) = check.failures
    assert (failed.kernels, failed.result) == (("rotation_rows",), "differs")
    assert failed.largest_error > 0.1
    assert failed.of_tolerance > 1


def test_a_kernel_that_leaves_something_out(profiled, spoil):
    spoil("grid.cl", "rows[8 * i + 7] = 0.0f;", "")
    (failed,) = check_device(profiled).failures
    assert failed.result == "differs"
    assert math.isnan(failed.largest_error)


def test_a_kernel_that_does_not_compile(profiled, spoil):
    spoil("grid.cl", "which / n_dir", "no_such_name")
    check = check_device(profiled)
    (failed,) = check.failures
    assert (failed.file, failed.result) == ("grid.cl", "does not compile")
    assert "no_such_name" in failed.message
    assert [row.result for row in check.kernels].count("agrees") == 2


def test_a_launch_that_the_driver_refuses(profiled, spoil):
    spoil("candidates.cl", "__kernel void row_s", "__kernel __attribute__((reqd_work_group_size(7, 1, 1))) void row_s")
    (failed,) = check_device(profiled).failures
    assert (failed.kernels, failed.result) == (("row_starts",), "fails")
    assert "WORK_GROUP_SIZE" in failed.message
