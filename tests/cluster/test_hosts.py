"""Workers on two hosts: network namespaces, which share nothing but a cable and the disk."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

NETWORK = "10.77.41"
SILENCE = "12s"
"""After which Dask takes a host for gone, at the least; 30 s where nothing is said."""

DRIVER = """
import sys
from pathlib import Path
from coldstart import AbInitioParams
from coldstart.api import run_job
from coldstart.cluster.request import ClusterRequest
particles, output, params, scheduler = sys.argv[1:]
summary = run_job(
    Path(particles), Path(output), AbInitioParams.model_validate_json(params), cluster=ClusterRequest(scheduler, 2, 1),
    on_iteration=lambda snapshot: print(snapshot.stats.phase, flush=True),
)
print(summary.device)
"""


@dataclass(frozen=True)
class Host:
    """A network namespace with an address on the cable."""

    name: str
    address: str

    def start(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """A process of this host."""
        environment = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": SILENCE}
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], text=True, env=environment, **options)


def ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True)


def cable_end(host: Host) -> str:
    """Name of its network device, which Linux wants short."""
    return f"to{host.name}"[:15]


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    pid = os.getpid()
    hosts = Host(f"first{pid}", f"{NETWORK}.1"), Host(f"second{pid}", f"{NETWORK}.2")
    with ExitStack() as undo:
        for host in hosts:
            ip("netns", "add", host.name)
            undo.callback(ip, "netns", "del", host.name)
        ends = [cable_end(host) for host in hosts]
        ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for host, end in zip(hosts, ends, strict=True):
            ip("link", "set", end, "netns", host.name)
            ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", end)
            for device in (end, "lo"):
                ip("-n", host.name, "link", "set", device, "up")
        yield hosts


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts with a cable between them."""
    if shutil.which("ip") is None:
        pytest.skip("there is no ip command to make network namespaces with")
    try:
        with two_hosts() as made:
            yield made
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this user may not make network namespaces: {error.stderr.decode().strip()}")


@pytest.fixture
def started(hosts: tuple[Host, Host], tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """Address of a scheduler on the first host, and a worker on each, as a user would start them."""
    address, dask = f"tcp://{hosts[0].address}:8786", "distributed.cli.dask_"
    shared: dict[str, Any] = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run, alone = [sys.executable, "-m"], ["--no-nanny", "--nthreads", "1"]
    scheduler = hosts[0].start(*run, f"{dask}scheduler", "--host", hosts[0].address, "--no-dashboard", **shared)
    workers = [host.start(*run, f"{dask}worker", address, "--host", host.address, *alone, **shared) for host in hosts]
    yield address, workers
    for process in (scheduler, *workers):
        process.kill()
        process.wait()


@pytest.fixture
def drive(
    hosts: tuple[Host, Host], started: tuple[str, list[subprocess.Popen[str]]], unbroken: Any, beside: Path
) -> Callable[[], subprocess.Popen[str]]:
    """Begin the run on the first host."""

    def begin() -> subprocess.Popen[str]:
        given = str(unbroken.particles), str(beside / "run"), unbroken.params.model_dump_json(), started[0]
        return hosts[0].start(sys.executable, "-c", DRIVER, *given, stdout=subprocess.PIPE)

    return begin


def same_files(kill_test: ModuleType, unbroken: Any, output: Path) -> bool:
    """Whether a folder has those of the unbroken run, to the byte but for the names of devices."""
    found = kill_test.folder_content(output)
    differing = {name for name in found | unbroken.content if found.get(name) != unbroken.content.get(name)}
    return differing <= {"summary.json", "report.html"}


def test_workers_on_two_hosts_give_the_bytes_of_one_device(
    drive: Callable[[], subprocess.Popen[str]], unbroken: Any, beside: Path, kill_test: ModuleType
) -> None:
    out, _ = drive().communicate(timeout=300)
    assert "2 × " in out.splitlines()[-1]
    assert same_files(kill_test, unbroken, beside / "run")


@pytest.mark.parametrize("end", ["killed", "cut off"])
def test_a_host_that_is_gone_leaves_its_share_to_the_other(
    drive: Callable[[], subprocess.Popen[str]], hosts: tuple[Host, Host],
    started: tuple[str, list[subprocess.Popen[str]]], unbroken: Any, beside: Path, kill_test: ModuleType, end: str,
) -> None:  # fmt: skip
    driver = drive()
    assert driver.stdout is not None
    assert driver.stdout.readline() == "initial\n"
    if end == "killed":
        started[1][1].send_signal(signal.SIGKILL)
    else:
        ip("-n", hosts[1].name, "link", "set", cable_end(hosts[1]), "down")
    driver.communicate(timeout=300)
    assert driver.returncode == 0
    assert same_files(kill_test, unbroken, beside / "run")
