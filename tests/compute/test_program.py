import re
from pathlib import Path

import numpy as np
import pytest

from coldstart.compute import program
from coldstart.compute.program import build_program, kernel_source
from coldstart.errors import KernelBuildError

KERNELS = tuple(sorted(path.name for path in (Path(__file__).parents[2] / "kernels").glob("*.cl")))

ADD = """#include "twice.h"
__kernel void add(__global const float *a, __global float *out, const float b, const int n)
{
    const int i = (int)get_global_id(0);
    if (i < n) out[i] = TWICE(a[i]) + b * FACTOR;
}
"""


@pytest.fixture
def files(monkeypatch):
    """Kernel files by name, in place of those of the package."""

    def pretend(**texts):
        named = {name.replace("__", "."): text for name, text in texts.items()}
        monkeypatch.setattr(program, "_read", named.__getitem__)

    return pretend


def test_includes_are_expanded_once_and_lines_keep_their_numbers(files):
    files(
        main__cl='first\n#include "a.h"\n#include "b.h"\nlast\n',
        a__h='#include "b.h"\nin a\n',
        b__h="in b\n\nend of b\n",
    )
    text = kernel_source("main.cl")
    assert text.count("in b") == 1
    file, number, seen = "", 0, {}
    for line in text.splitlines():
        mark = re.fullmatch(r'#line (\d+) "(.*)"', line)
        if mark:
            file, number = mark[2], int(mark[1])
        else:
            seen[line] = (file, number)
            number += 1
    assert seen["first"] == ("main.cl", 1)
    assert seen["last"] == ("main.cl", 4)
    assert seen["in a"] == ("a.h", 2)
    assert seen["end of b"] == ("b.h", 3)


@pytest.mark.parametrize("name", KERNELS)
def test_the_packages_kernels_include_nothing_that_is_left_open(name):
    assert not re.search(r"^\s*#\s*include", kernel_source(name), re.MULTILINE)


def test_macros_and_arguments(session, files):
    files(add__cl=ADD, twice__h="#define TWICE(v) (2.0f * (v))\n")
    values = np.arange(5, dtype=np.float32)
    given = session.upload("given", values)
    out = session.array("out", (5,), np.float32)
    for factor in (1, 10):
        built = session.program("add.cl", FACTOR=factor)
        assert built.names == ("add",)
        built.launch("add", (5,), given, out, 0.5, 5)
        np.testing.assert_array_equal(session.download(out), 2 * values + 0.5 * factor)


def test_numbers_may_be_numpys_but_not_of_another_kind(session, files):
    files(add__cl=ADD, twice__h="#define TWICE(v) (v)\n")
    built, out = session.program("add.cl", FACTOR=1), session.upload("out", np.ones(3, np.float32))
    built.launch("add", (3,), out, out, np.float64(0.5), np.int64(3))
    built.launch("add", (3,), out, out, 2, 3)
    np.testing.assert_array_equal(session.download(out), [3.5] * 3)
    with pytest.raises(TypeError):
        built.launch("add", (3,), out, out, 0.5, 3.0)


def test_a_launch_of_no_items_does_nothing(session, files):
    files(add__cl=ADD, twice__h="#define TWICE(v) (v)\n")
    out = session.upload("out", np.ones(3, np.float32))
    session.program("add.cl", FACTOR=1).launch("add", (0,), out, out, 1.0, 3)
    assert (session.download(out) == 1).all()


def test_a_program_is_built_once_for_each_set_of_macros(session, files):
    files(add__cl=ADD, twice__h="#define TWICE(v) (v)\n")
    first = session.program("add.cl", FACTOR=1, MORE=2)
    assert session.program("add.cl", MORE=2, FACTOR=1) is first
    assert session.program("add.cl", MORE=2, FACTOR=3) is not first


def test_a_build_error_names_device_file_and_line(session, files):
    files(bad__cl='#include "fine.h"\n\n__kernel void bad(void) { int a = no_such_thing; }\n', fine__h="\n\n")
    with pytest.raises(KernelBuildError) as caught:
        session.program("bad.cl", TILE=4)
    message = str(caught.value)
    assert "kernels/bad.cl did not compile" in message
    assert session.info.label in message
    assert "-DTILE=4" in message
    assert "no_such_thing" in message
    assert re.search(r"bad\.cl.{0,3}3", message)


def test_a_failed_build_can_be_mended(session, files):
    files(bad__cl="__kernel void bad(void) { no_such_thing(); }\n")
    with pytest.raises(KernelBuildError):
        session.program("bad.cl")
    files(bad__cl="__kernel void bad(void) { }\n")
    assert session.program("bad.cl").names == ("bad",)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_file_compiles_without_macros(session, name):
    """Each has defaults for its macros."""
    built = build_program(session._context, session._queue, session.info, name, {})
    assert built.names
