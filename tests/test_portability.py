"""What `python -m portability` makes of the words of tests and compilers."""

from pathlib import Path

import numpy as np
import pytest

from portability import offline, tables
from portability.implementations import IMPLEMENTATIONS, WHOLE_JOBS
from portability.kernel_tests import Outcome, _read_report, kernel_table
from portability.offline import Amd, Use, amd_uses, intel_uses, kernel_names, ptxas_uses, units
from portability.tables import markdown_table, write_table
from portability.whole_job import Run, agree, compared

REPORT = """<testsuites><testsuite>
<testcase classname="tests.kernels.test_twins" name="test_kernel_and_twin[A-preset-turn]">
<properties><property name="kernels" value="turn"/><property name="of_tolerance" value="0.25"/></properties></testcase>
<testcase classname="tests.kernels.test_twins" name="test_kernel_and_twin[A-scalar-turn]">
<properties><property name="kernels" value="turn"/><property name="of_tolerance" value="0.5"/></properties></testcase>
<testcase classname="tests.kernels.test_twins" name="test_kernel_and_twin[A-preset-cut]">
<properties><property name="kernels" value="cut"/><property name="of_tolerance" value="3"/></properties>
<failure/></testcase>
<testcase classname="tests.kernels.test_golden" name="test_slices[A-atomic]"/>
<testcase classname="tests.kernels.test_golden" name="test_fixed_point_sums[A-atomic]"><failure/></testcase>
<testcase classname="tests.kernels.test_bound" name="test_other[A]"/>
<testcase classname="tests.kernels.test_bound" name="test_skipped[A]"><skipped/></testcase>
</testsuite></testsuites>"""

PTXAS = """ptxas info    : 0 bytes gmem, 1552 bytes cmem[3]
ptxas info    : Compiling entry function 'score_grid' for 'sm_75'
ptxas info    : Function properties for score_grid
    752 bytes stack frame, 16 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 64 registers, used 0 barriers, 752 bytes cumulative stack size, 4096 bytes smem, 408 bytes cmem[0]
ptxas info    : Compiling entry function 'slice_harmonics' for 'sm_75'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 52 registers, used 0 barriers, 408 bytes cmem[0]
"""

AMD_NOTES = """    AMDGPU Metadata:
        ---
amdhsa.kernels:
  - .args:
      - .address_space:  global
        .name:           kx
        .offset:         0
    .group_segment_fixed_size: 512
    .name:           make_slices
    .private_segment_fixed_size: 420
    .sgpr_spill_count: 23
    .symbol:         make_slices.kd
    .vgpr_count:     138
    .vgpr_spill_count: 7
  - .args:           []
    .group_segment_fixed_size: 0
    .name:           close
    .private_segment_fixed_size: 0
    .sgpr_spill_count: 0
    .symbol:         close.kd
    .vgpr_count:     12
    .vgpr_spill_count: 0
amdhsa.target:   amdgcn-amd-amdhsa--gfx906
amdhsa.version:
  - 1
  - 2
"""


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    (tmp_path / "report.xml").write_text(REPORT, encoding="utf-8")
    found = Outcome(IMPLEMENTATIONS[0], "A device")
    _read_report(tmp_path / "report.xml", found)
    return found


def test_the_worst_of_all_tunings_is_shown(outcome: Outcome) -> None:
    assert (outcome.passed, outcome.failed) == (4, 2)
    assert outcome.cell("turn") == "50%"
    assert outcome.cell("cut") == "FAILED"
    assert outcome.cell("bits of slices") == "same"
    assert outcome.cell("bits of fixed point sums") == "DIFFERENT"
    assert not outcome.is_right


def test_the_table_of_implementations(outcome: Outcome) -> None:
    missing = Outcome(IMPLEMENTATIONS[1])
    table = kernel_table([outcome, missing])
    assert f"- {IMPLEMENTATIONS[1].name}: not here; {IMPLEMENTATIONS[1].install}" in table
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    assert rows[0] == ["kernels", "PoCL, pip", "PoCL, Debian"]
    assert ["turn", "50%", "not here"] in rows
    assert ["all tests", "4 passed, 2 FAILED", "not here"] in rows
    assert missing.is_right


def test_a_process_that_died_and_a_report_of_the_simulator_are_failures(tmp_path: Path) -> None:
    died = Outcome(IMPLEMENTATIONS[0], "A device")
    _read_report(tmp_path / "no report.xml", died)
    assert not died.is_right
    assert not Outcome(IMPLEMENTATIONS[-1], "A device", {"turn": 0.1}, reports=["data race"]).is_right
    assert Outcome(IMPLEMENTATIONS[-1], "A device", {"turn": 0.1}).is_right


def test_the_chosen_implementations_exist() -> None:
    assert set(WHOLE_JOBS) <= {implementation.name for implementation in IMPLEMENTATIONS}


def test_what_compilers_say_of_registers_and_memory() -> None:
    assert ptxas_uses(PTXAS) == [Use("score_grid", 64, 40, 752, 4096), Use("slice_harmonics", 52)]
    assert amd_uses(AMD_NOTES) == [Use("make_slices", 138, 7, 420, 512, 23), Use("close", 12)]
    said = "warning: kernel score_grid  compiled SIMD8 allocated 128 regs and spilled around 4"
    assert intel_uses(said, ["score_grid", "other"]) == [Use("score_grid", None, 4), Use("other", None)]


def test_spills_and_large_local_memory_do_not_fit() -> None:
    assert Use("kernel", 64, private_bytes=4096, lanes=20, local_bytes=32768).fits
    assert not Use("kernel", 64, spilled=1).fits
    assert not Use("kernel", 64, local_bytes=32769).fits
    assert Use("kernel", 64, 8, 512, 16, 3).text == "64, 512 B, 3 in lanes, 16 B local, SPILLS 8"


def test_every_kernel_is_compiled_with_the_macros_of_its_preset(repository: Path) -> None:
    made = list(units(Amd("gfx906").preset, repository / "kernels"))
    assert {unit.file for unit in made} == {path.name for path in (repository / "kernels").glob("*.cl")}
    assert all(kernel_names(unit.path) for unit in made)
    grids = [dict(unit.macros) for unit in made if unit.file == "score.cl"]
    assert [(grid["TURN"], grid["TRACK"]) for grid in grids] == [(24, 0), (24, 1), (48, 1)]
    assert {grid["TM"] for grid in grids} == {Amd("gfx906").preset.score_rows}


def test_maps_agree_up_to_some_detail(rng: np.random.Generator) -> None:
    volume = np.zeros((32, 32, 32), np.float32)
    volume[10:22, 12:20, 9:18] = rng.standard_normal((12, 8, 9)) + 1
    one, other = (Run(name, volume, 5.0, 12.5, n) for name, n in (("A", 7), ("B", 8)))
    assert compared(one, other) == ["A and B", "7 and 8", "same", "13.3 Å", "1.000", "13.3 Å"]
    nearly = Run("N", volume + rng.normal(0, 0.01, volume.shape).astype(np.float32), 5.0, 12.5, 9)
    cells = compared(one, nearly)
    assert cells[2] == "differ"
    assert 0.99 < float(cells[4]) <= 1.0
    assert agree(one, other)
    assert agree(one, nearly)
    noisy = Run("C", volume + rng.normal(0, 2.0, volume.shape).astype(np.float32), 5.0, 12.5, 9)
    assert float(compared(one, noisy)[4]) < 0.99
    assert not agree(one, noisy)


def test_a_table_finds_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin of job -->\nold\n<!-- end of job -->\nafter\n")
    monkeypatch.setattr(tables, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["portability", "job", "--write"])
    write_table("job", markdown_table(["a", "bb"], [["1", "2"]]))
    assert page.read_text().split("\n\n") == [
        "before\n<!-- begin of job -->",
        "Generated by `python -m portability job --write`:",
        "| a | bb |\n| - | -- |\n| 1 | 2  |",
        "<!-- end of job -->\nafter\n",
    ]
    with pytest.raises(SystemExit):
        write_table("compile", "a table")


def test_what_a_compiler_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(offline.CompileError, match="no such file"):
        offline._run("python3", "-c", "raise SystemExit('no such file')")
