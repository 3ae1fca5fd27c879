"""Every kernel with every preset through the compilers of GPUs that are not here.

A vendor's driver has its own front end, and its back end may be newer; what is shown is what these compilers make of
the kernels. A spill of registers to memory, or more local memory than every device has, is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coldstart.compute.program import BUILD_OPTIONS, kernel_source
from coldstart.compute.tuning import PRESETS, Preset, Tuning
from coldstart.engine.selftest.kernels import MACROS, kernel_macros
from portability.tables import markdown_table

LOCAL_BYTES = 32 * 1024
"""Local memory of the smallest devices."""

VARIANTS: dict[str, tuple[dict[str, int], ...]] = {
    "score.cl": ({"TURN": 24, "TRACK": 0}, {"TURN": 24, "TRACK": 1}, {"TURN": 48, "TRACK": 1}),
}
"""Macros besides those of a tuning: the coarse grid, and the finer ones of `--verify-bound`."""

STRICT = ("-x", "cl", *BUILD_OPTIONS, "-Wall", "-Wextra", "-Werror", "-Wdouble-promotion", "-Wno-unused-parameter")
ATOMICS = "global_int32_base global_int32_extended local_int32_base local_int32_extended"
NOTHING_OPTIONAL = ",".join(
    ["-all", "+cl_khr_byte_addressable_store", *(f"+cl_khr_{name}_atomics" for name in ATOMICS.split())]
)
"""What an Apple M1 has: no doubles, no 64-bit atomics, no half precision."""

FRONT_ENDS = {
    "NVIDIA": ("nvptx64-nvidia-nvcl",),
    "AMD": ("amdgcn-amd-amdhsa", "-mcpu=gfx1100", "-nogpulib"),
    "SPIR-V": ("spir64-unknown-unknown",),
    "x86-64": ("x86_64-linux-gnu",),
    "ARM64": ("aarch64-linux-gnu",),
    "as Apple's": ("spir64-unknown-unknown", "-Xclang", f"-cl-ext={NOTHING_OPTIONAL}"),
}
AMD_BITCODE = Path("/usr/lib/x86_64-linux-gnu/amdgcn/bitcode")
NVIDIA_BITCODE = Path("/usr/lib/clc/nvptx64--nvidiacl.bc")


@dataclass(frozen=True)
class Unit:
    """A kernel file as it is built: its text and its macros."""

    file: str
    path: Path
    macros: tuple[tuple[str, int], ...]

    @property
    def defines(self) -> tuple[str, ...]:
        return tuple(f"-D{name}={value}" for name, value in self.macros)

    @property
    def label(self) -> str:
        """Macros besides those of a tuning, to tell variants of a kernel apart."""
        chosen = [f"{name} {value}" for name, value in self.macros if name in ("TURN", "TRACK")]
        return f" ({', '.join(chosen)})" if chosen else ""


@dataclass(frozen=True)
class Use:
    """What a kernel takes of a device; `registers` is None where the compiler does not say.

    `lanes` are scalar registers that AMD's compiler keeps in lanes of vector registers; they take no memory.
    """

    kernel: str
    registers: int | None
    spilled: int = 0
    private_bytes: int = 0
    local_bytes: int = 0
    lanes: int = 0

    @property
    def fits(self) -> bool:
        return not self.spilled and self.local_bytes <= LOCAL_BYTES

    @property
    def text(self) -> str:
        """A cell of the table."""
        parts = ["fits" if self.registers is None else str(self.registers)]
        parts += [f"{self.private_bytes} B"] if self.private_bytes else []
        parts += [f"{self.lanes} in lanes"] if self.lanes else []
        parts += [f"{self.local_bytes} B local"] if self.local_bytes else []
        parts += [f"SPILLS {self.spilled}"] if self.spilled else []
        return ", ".join(parts)


class CompileError(Exception):
    """A compiler refused a kernel."""


class Compiler(ABC):
    """One target with the preset that its devices get."""

    def __init__(self, target: str, preset: str, tools: tuple[str, ...], install: str) -> None:
        self.target = target
        self.preset = next(p for p in PRESETS if p.name == preset)
        self.tools = tools
        self.install = install

    @property
    def is_here(self) -> bool:
        return all(shutil.which(tool) or Path(tool).exists() for tool in self.tools)

    @abstractmethod
    def compile(self, unit: Unit, folder: Path) -> list[Use]:
        """Raises CompileError."""


class Nvidia(Compiler):
    """clang to PTX, ptxas to machine code. NVIDIA's own OpenCL front end is only in its driver."""

    def __init__(self, target: str) -> None:
        tools = ("clang-19", "ptxas", str(NVIDIA_BITCODE))
        super().__init__(target, "NVIDIA GPU", tools, "ptxas: the CUDA toolkit, or pip install nvidia-cuda-nvcc")

    def compile(self, unit: Unit, folder: Path) -> list[Use]:
        virtual, version = ("sm_75", "+ptx63") if self.target == "sm_75" else ("sm_80", "+ptx78")
        ptx = folder / "kernel.ptx"
        _run(
            "clang-19", "-x", "cl", *BUILD_OPTIONS, "-target", "nvptx64-nvidia-nvcl", "-Xclang", "-target-cpu",
            "-Xclang", virtual, "-Xclang", "-target-feature", "-Xclang", version, "-O3", "-Wno-linker-warnings",
            "-Xclang", "-mlink-builtin-bitcode", "-Xclang", NVIDIA_BITCODE, *unit.defines, "-S", "-o", ptx, unit.path,
        )  # fmt: skip
        return ptxas_uses(_run("ptxas", "-v", f"-arch={self.target}", ptx, "-o", folder / "kernel.cubin"))


class Amd(Compiler):
    """clang to machine code, with the libraries of ROCm."""

    def __init__(self, target: str) -> None:
        tools = ("clang-19", "llvm-readelf-19", str(AMD_BITCODE))
        super().__init__(target, "AMD GPU", tools, "apt-get install clang-19 llvm-19 lld-19 rocm-device-libs")

    def compile(self, unit: Unit, folder: Path) -> list[Use]:
        code = folder / "kernel.hsaco"
        _run(
            "clang-19", "-x", "cl", *BUILD_OPTIONS, "-target", "amdgcn-amd-amdhsa", f"-mcpu={self.target}",
            f"--rocm-device-lib-path={amd_bitcode(folder)}", "-mcode-object-version=5", "-O3", *unit.defines,
            "-o", code, unit.path,
        )  # fmt: skip
        return amd_uses(_run("llvm-readelf-19", "--notes", code))


class Intel(Compiler):
    """Intel's compiler, which tells of registers only where they do not suffice."""

    def __init__(self, target: str) -> None:
        super().__init__(target, "Intel GPU", ("ocloc",), "apt-get install intel-opencl-icd")

    def compile(self, unit: Unit, folder: Path) -> list[Use]:
        options = " ".join((*BUILD_OPTIONS, *unit.defines))
        where = "-device", self.target, "-out_dir", folder
        said = _run("ocloc", "compile", "-file", unit.path, *where, "-options", options)
        return intel_uses(said, kernel_names(unit.path))


class SpirV(Compiler):
    """SPIR-V 1.0, validated for OpenCL 1.2."""

    def __init__(self) -> None:
        tools = ("clang-15", "llvm-spirv-15", "spirv-val")
        super().__init__("SPIR-V", "other GPU", tools, "apt-get install clang-15 llvm-spirv-15 spirv-tools")

    def compile(self, unit: Unit, folder: Path) -> list[Use]:
        bitcode, spirv = folder / "kernel.bc", folder / "kernel.spv"
        front = ("-target", "spir64-unknown-unknown", "-Xclang", "-finclude-default-header", "-O0", "-emit-llvm", "-c")
        _run("clang-15", "-x", "cl", *BUILD_OPTIONS, *front, *unit.defines, "-o", bitcode, unit.path)
        _run("llvm-spirv-15", "--spirv-max-version=1.0", bitcode, "-o", spirv)
        _run("spirv-val", "--target-env", "opencl1.2", spirv)
        return [Use(name, None) for name in kernel_names(unit.path)]


COMPILERS: tuple[Compiler, ...] = (
    *map(Nvidia, ("sm_75", "sm_80", "sm_90", "sm_120")),
    *map(Amd, ("gfx906", "gfx90a", "gfx1030", "gfx1100")),
    *map(Intel, ("skl", "tgllp", "dg2-g10")),
    SpirV(),
)


def compile_table(folder: Path) -> tuple[str, bool]:
    """Compile everything; returns the table of registers and memory, and whether all fits."""
    _write_sources(folder)
    refused = list(_front_end_errors(folder)) if shutil.which("clang-19") else []
    columns = {compiler.target: _compiled(compiler, folder) for compiler in COMPILERS if compiler.is_here}
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    table = [[row, *(_cell(columns[c.target], row) if c.is_here else "not here" for c in COMPILERS)] for row in rows]
    uses = [use for column in columns.values() for use in column.values()]
    notes = [f"- {', '.join(FRONT_ENDS)}: " + ("no warning from clang with -Werror" if not refused else "REFUSED")]
    if not shutil.which("clang-19"):
        notes = ["- clang-19 is not here: apt-get install clang-19"]
    notes += [f"- {c.target}: not here; {c.install}" for c in COMPILERS if not c.is_here]
    notes += [f"- local memory: {max((u.local_bytes for u in uses if isinstance(u, Use)), default=0)} B at most"]
    is_right = not refused and all(isinstance(use, Use) and use.fits for use in uses)
    return "\n".join(
        [*notes, *refused, "", markdown_table(["kernel", *(c.target for c in COMPILERS)], table)]
    ), is_right


def ptxas_uses(said: str) -> list[Use]:
    """From `ptxas -v`: of each entry its stack, its spills and its registers, on lines of their own."""
    uses = []
    for part in said.split("Compiling entry function '")[1:]:
        stack = _number(r"(\d+) bytes stack frame", part)
        spilled = _number(r"(\d+) bytes spill stores", part) + _number(r"(\d+) bytes spill loads", part)
        local = _number(r"(\d+) bytes smem", part)
        uses.append(Use(part.partition("'")[0], _number(r"Used (\d+) registers", part), spilled, stack, local))
    return uses


def amd_uses(notes: str) -> list[Use]:
    """From the notes of a code object, which lists its kernels and then its target."""
    uses = []
    kernels = notes.partition("amdhsa.kernels:")[2].partition("amdhsa.target:")[0]
    for part in re.split(r"^  - ", kernels, flags=re.MULTILINE)[1:]:
        name = re.findall(r"^    \.symbol: +(\w+)\.kd$", part, re.MULTILINE)[0]
        figures = {key: int(value) for key, value in re.findall(r"\.(\w+): +(\d+)$", part, re.MULTILINE)}
        uses.append(
            Use(
                name, figures["vgpr_count"], figures["vgpr_spill_count"], figures["private_segment_fixed_size"],
                figures["group_segment_fixed_size"], figures["sgpr_spill_count"],
            )
        )  # fmt: skip
    return uses


def intel_uses(said: str, kernels: list[str]) -> list[Use]:
    """From the warnings of ocloc: kernels that it does not name have spilled nothing."""
    spilled = dict(re.findall(r"kernel (\w+) +compiled SIMD\d+ allocated \d+ regs and spilled around (\d+)", said))
    return [Use(name, None, int(spilled.get(name, 0))) for name in kernels]


def kernel_names(path: Path) -> list[str]:
    """Kernels of a file, in its order."""
    return re.findall(r"^__kernel void (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)


def units(preset: Preset, folder: Path) -> Iterator[Unit]:
    """Every kernel file with the macros of a preset, in each variant."""
    atomic = not preset.cpu
    tuning = Tuning(preset.vector_width, preset.score_rows, preset.chunk, int(preset.cpu), 1, atomic)
    for file in MACROS:
        for variant in VARIANTS.get(file, ({},)):
            yield Unit(file, folder / file, tuple(sorted((kernel_macros(file, tuning) | variant).items())))


def amd_bitcode(folder: Path) -> Path:
    """ROCm's library, with the constant of gfx1100 where Debian's is too old to have it: that of its predecessor."""
    copy = folder / "bitcode"
    if not copy.exists():
        copy.mkdir()
        for file in AMD_BITCODE.iterdir():
            (copy / file.name).symlink_to(file)
        newest = copy / "oclc_isa_version_1100.bc"
        if not newest.exists():
            newest.symlink_to(AMD_BITCODE / "oclc_isa_version_1036.bc")
    return copy


def _compiled(compiler: Compiler, folder: Path) -> dict[str, Use | str]:
    """What each kernel takes, or the message of the compiler that refused it."""
    found: dict[str, Use | str] = {}
    for unit in units(compiler.preset, folder):
        try:
            found |= {f"{use.kernel}{unit.label}": use for use in compiler.compile(unit, folder)}
        except CompileError as error:
            print(f"{compiler.target}: {unit.file} {' '.join(unit.defines)}: {error}")
            found |= {f"{name}{unit.label}": str(error) for name in kernel_names(unit.path)}
    return found


def _cell(column: dict[str, Use | str], row: str) -> str:
    use = column[row]
    return use.text if isinstance(use, Use) else "REFUSED"


def _front_end_errors(folder: Path) -> Iterator[str]:
    """What clang says of any file under any preset for any target, as if a warning were an error."""
    different = dict.fromkeys(unit for preset in PRESETS for unit in units(preset, folder))
    for name, target in FRONT_ENDS.items():
        for unit in different:
            try:
                _run("clang-19", *STRICT, "-target", *target, "-fsyntax-only", *unit.defines, unit.path)
            except CompileError as error:
                yield f"- {name}: {unit.file} {' '.join(unit.defines)}: {error}"


def _write_sources(folder: Path) -> None:
    for file in MACROS:
        (folder / file).write_text(kernel_source(file), encoding="utf-8")


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode:
        raise CompileError(said.strip())
    return said


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0
