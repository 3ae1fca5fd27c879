"""Fixtures shared by all tests."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import hypothesis
import numpy as np
import pytest
from numpy.typing import NDArray

from coldstart.api import run_job
from coldstart.compute.profile import required_profile
from coldstart.compute.session import Session, open_session
from coldstart.demo.files import write_demo_set
from coldstart.errors import DeviceError
from coldstart.model.particles import Particles
from coldstart.model.state import (
    BoundAudit,
    ClassReport,
    IterationStats,
    Phase,
    PoseTable,
    RunResult,
    Snapshot,
    StageCount,
)
from coldstart.params import AbInitioParams

# A loaded machine is no failure: examples are not timed.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tile sizes that somebody has measured on this machine are no business of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLDSTART_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20170206)


MakeResult = Callable[..., RunResult]


@pytest.fixture(scope="session")
def made_up_result() -> MakeResult:
    """Result of a run that never was, from the posteriors of its particles: see `_made_up_result`."""
    return _made_up_result


def _made_up_result(
    class_posterior: NDArray[np.float64],
    *,
    particle: NDArray[np.int64] | None = None,
    used: NDArray[np.bool_] | None = None,
    log_likelihood: NDArray[np.float64] | None = None,
    symmetry: str = "C1",
) -> RunResult:
    """Random maps and poses; the first particles are posed unless `particle` says which, all drawn by default."""
    count, classes = class_posterior.shape
    rng = np.random.default_rng(0)
    poses = PoseTable(
        particle=np.arange(count) if particle is None else particle,
        euler_deg=rng.uniform(0, 180, (count, 3)),
        origin_angstrom=rng.normal(size=(count, 2)),
        class_posterior=class_posterior,
        log_likelihood=np.ones(count) if log_likelihood is None else log_likelihood,
        ess=np.ones(count),
        max_posterior=np.ones(count),
        used=np.ones(count, dtype=bool) if used is None else used,
    )
    shares = np.bincount(poses.class_index, minlength=classes) / max(count, 1)
    reports = tuple(ClassReport(float(share), 20.0, np.ones(5), 0.8, False) for share in shares)
    volumes = rng.normal(size=(classes, 8, 8, 8)).astype(np.float32)
    similarity = np.eye(classes) * 0.75 + 0.25
    return RunResult(
        volumes, 1.5, poses, (), 18.0, "device", 123, classes=reports, similarity=similarity, symmetry=symmetry
    )


@pytest.fixture(scope="session")
def profiled_session() -> Iterator[Session]:
    """The device that a run would take, opened with profiling."""
    try:
        opened = open_session(profiling=True)
    except DeviceError as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture
def profiled(profiled_session: Session) -> Session:
    """The same, with no launches noted yet."""
    required_profile(profiled_session.profile).clear()
    return profiled_session


class StandIn:
    """Yields as the engine does, without working: every iteration, then the posing of all but the last particle."""

    iterations = 30
    box_px = 16

    def __call__(  # type: ignore[no-untyped-def]
        self,
        particles: Particles,
        images: object,
        params: AbInitioParams,
        session: object,
        should_stop: Callable[[], bool],
        volume: object = None,
        preparer: object = None,
        **checkpoints: object,
    ):
        shape = (params.classes, *(self.box_px,) * 3)
        volumes = np.random.default_rng(0).random(shape, dtype=np.float32)
        done = []
        for iteration in range(1, self.iterations + 1):
            done.append(self.stats(iteration))
            yield Snapshot(done[-1], volumes, 14.0)
            if stopped := should_stop():
                break
        audit = BoundAudit(2, 1.0, 1e-6, 2e-6) if params.verify_bound else None
        done.append(replace(self.stats(len(done) + 1, "posing"), evaluated_fraction=0.125, audit=audit))
        yield Snapshot(done[-1], volumes, 14.0)
        posterior = np.eye(params.classes)[np.arange(particles.count - 1) % params.classes]
        shares = posterior.mean(axis=0).tolist()
        return RunResult(
            volumes,
            14.0,
            _poses(posterior),
            tuple(done),
            28.0,
            "stand-in",
            5,
            stopped_early=stopped,
            classes=tuple(ClassReport(share, 29.0, np.ones(9), 0.5, False) for share in shares),
            similarity=np.eye(params.classes),
            notes=("from the engine",),
        )

    def stats(self, iteration: int, phase: Phase = "initial") -> IterationStats:
        """Figures of an iteration of nine images."""
        return IterationStats(
            iteration=iteration,
            iterations=self.iterations + 1,
            phase=phase,
            resolution_angstrom=30.0,
            fourier_radius=7.5,
            minibatch=9,
            learning_rate=0.4,
            noise_scale=1.0,
            ess_rotations=10.0,
            ess_poses=2.0,
            ess_fraction=0.01,
            angular_step_deg=15.0,
            log_likelihood=-1.0,
            map_change=0.1,
            image_visits=9 * iteration,
            sampled_fraction=0.0,
            seconds=0.1,
            limited_fraction=0.5,
            evaluated_fraction=0.25,
            stages=(StageCount(0, 7.5, 9, 900, 90, 9000),),
        )


def _poses(posterior: NDArray[np.float64]) -> PoseTable:
    count = len(posterior)
    zeros, ones = np.zeros(count), np.ones(count)
    return PoseTable(
        np.arange(count), np.zeros((count, 3)), np.zeros((count, 2)), posterior, zeros, ones, ones, ones > 0
    )


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Runs do not work, but yield what `StandIn` does."""
    stand_in = StandIn()
    monkeypatch.setattr("coldstart.engine.abinitio.abinitio", stand_in)
    return stand_in


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Table of six particles of a simulated molecule, in the box of the stand-in."""
    folder = tmp_path_factory.mktemp("set")
    return write_demo_set(folder, images=6, box_px=StandIn.box_px, pixel_size_angstrom=14.0).particles_path


@pytest.fixture(scope="session")
def kill_test() -> ModuleType:
    """benchmarks/kill_test.py, which knows how to compare run folders."""
    spec = importlib.util.spec_from_file_location("kill_test", REPOSITORY / "benchmarks" / "kill_test.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Unbroken:
    """A run that was never left: its particles, its parameters, and what its folder, named `run`, holds."""

    particles: Path
    params: AbInitioParams
    content: dict[str, str]


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory, kill_test: ModuleType) -> Unbroken:
    """A real run of one class, of a few iterations in each phase."""
    folder = tmp_path_factory.mktemp("unbroken")
    particles = write_demo_set(folder, 5, images=60, box_px=32, pixel_size_angstrom=7.0, snr=0.4).particles_path
    params = AbInitioParams(
        initial_iterations=4,
        final_iterations=3,
        fourier_radius_step=1.0,
        initial_minibatch=20,
        final_minibatch=20,
        max_resolution_angstrom=25.0,
        seed=1,
    )
    run_job(particles, folder / "whole" / "run", params)
    return Unbroken(particles, params, kill_test.folder_content(folder / "whole" / "run"))


@pytest.fixture
def beside(unbroken: Unbroken, tmp_path: Path) -> Path:
    """A new folder from which the images of the unbroken run are named as from that of the run itself."""
    folder = unbroken.particles.parent / tmp_path.name
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def failing_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer of the OpenCL loader that lets launches of kernels fail, for the variable OPENCL_LAYERS of a process."""
    compiler, layer = shutil.which("cc"), tmp_path_factory.mktemp("layer") / "layer.so"
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler here, or not Linux's OpenCL loader")
    source = Path(__file__).with_name("failing_layer.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(layer), str(source)], check=True)
    return layer


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that holds pyproject.toml, napari.yaml and kernels/."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Published STAR, .cs and image files that lie beside the repository, where somebody has put them."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the published test data are not beside this repository (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def metadata_folder(shared_data: Path) -> Path:
    """STAR and .cs files written by RELION and cryoSPARC."""
    return _folder(shared_data, "metadata")


@pytest.fixture(scope="session")
def real_images_folder(shared_data: Path) -> Path:
    """A few real particle images and class averages."""
    return _folder(shared_data, "real")


@pytest.fixture(scope="session")
def models_folder(shared_data: Path) -> Path:
    """Atomic models as .npz files."""
    return _folder(shared_data, "models")


def _folder(shared_data: Path, name: str) -> Path:
    folder = shared_data / name
    if not folder.is_dir():
        pytest.skip(f"no folder ../shared/data/{name} beside this repository")
    return folder
