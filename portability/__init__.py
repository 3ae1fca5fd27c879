"""Where the kernels run and compile: five OpenCL implementations, and the compilers of GPUs that are not here.

    python -m portability kernels [--quick] [--on NAME ...]   all kernel tests, or some, on each implementation
    python -m portability job              the same whole run on three of them, and how far their maps agree
    python -m portability compile          every kernel with every preset for GPUs, without one

Each prints its table, and with --write also puts it into docs/devices.md. What cannot be had on this machine is said
in the table. `packages.txt` lists what Debian has for it.
"""
