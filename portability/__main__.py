import argparse
import sys
import tempfile
from pathlib import Path

from portability import __doc__ as description
from portability.implementations import IMPLEMENTATIONS
from portability.kernel_tests import kernel_table, run_kernel_tests
from portability.offline import compile_table
from portability.tables import write_table
from portability.whole_job import whole_jobs

NAMES = [implementation.name for implementation in IMPLEMENTATIONS]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m portability", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["kernels", "job", "compile"])
    parser.add_argument("--quick", action="store_true", help="kernels: one comparison a kernel, and golden hashes")
    parser.add_argument("--on", nargs="+", metavar="NAME", choices=NAMES, default=NAMES, help=f"kernels: {NAMES}")
    parser.add_argument("--write", action="store_true", help="put the table into docs/devices.md too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table, is_right = _made(options, Path(folder))
    print(table)
    if options.write:
        write_table(options.what, table)
    sys.exit(not is_right)


def _made(options: argparse.Namespace, folder: Path) -> tuple[str, bool]:
    """A table, and whether all that it shows is right."""
    if options.what == "job":
        return whole_jobs(folder)
    if options.what == "compile":
        return compile_table(folder)
    outcomes = run_kernel_tests(folder, options.on, quick=options.quick)
    return kernel_table(outcomes), all(outcome.is_right for outcome in outcomes)


if __name__ == "__main__":
    main()
