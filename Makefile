# make demo   simulate a small particle stack, reconstruct it, and say how near to the truth it came
# make test   linters, types, import directions, the documentation site and the test suite
# make docs   the documentation site, into the folder site
# make portability   the kernels on every OpenCL implementation, and through the compilers of GPUs, that are here
# All make their own environments, .venv and .venv-intel; all they need is make and Python 3.11 or newer.

VENV := .venv
PYTHON := $(VENV)/bin/python
INTEL := .venv-intel
DEMO := demo

.PHONY: help demo test portability docs clean
help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(VENV)/bin/coldstart demo --output $(DEMO)

test: $(VENV)/.installed-test $(VENV)/.installed-docs
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet --strict
	$(PYTHON) -m portability kernels --quick --on 'PoCL, pip' Oclgrind
	OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

# Debian's part is in portability/packages.txt; what is missing is said in the tables.
portability: $(VENV)/.installed-test $(INTEL)/.installed
	$(PYTHON) -m portability kernels
	$(PYTHON) -m portability compile
	$(PYTHON) -m portability job

docs: $(VENV)/.installed-docs
	$(PYTHON) docs/make_parameters.py
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict

clean:
	rm -rf $(VENV) $(INTEL) $(DEMO) site dist

# The newest Python that is there and can make an environment with pip in it.
$(VENV)/.made:
	@for python in python3.13 python3.12 python3.11 python3; do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	  found=$$python; \
	  $$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
	  echo "making $(VENV) with $$($$python --version)"; \
	  rm -rf $(VENV) && $$python -m venv $(VENV) && $(PYTHON) -m pip install --quiet --upgrade 'pip>=25.1' && touch $@; \
	  exit; \
	done; \
	if [ -n "$$found" ]; then \
	  echo "$$found cannot make a virtual environment: on Debian or Ubuntu, run: sudo apt-get install python3-venv" >&2; \
	else \
	  echo "coldstart needs Python 3.11 or newer, and found none on the PATH" >&2; \
	fi; \
	exit 1

$(VENV)/.installed: $(VENV)/.made pyproject.toml hatch_build.py
	@[ "$$(uname)" != Linux ] || command -v ld >/dev/null || \
	  echo "note: OpenCL on the CPU needs ld: on Debian or Ubuntu, run: sudo apt-get install binutils" >&2
	@echo "installing coldstart and what it needs into $(VENV)"
	@$(PYTHON) -m pip install --quiet --editable '.[cpu]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "installing what the tests need into $(VENV)"
	@$(PYTHON) -m pip install --quiet --group test
	@$(PYTHON) -c 'import PyQt6.QtWidgets' || \
	  echo "note: Qt lacks a library of the system: CONTRIBUTING.md lists what the plugin's tests need" >&2
	@touch $@

# Intel's OpenCL for CPUs, for its libraries alone.
$(INTEL)/.installed: $(VENV)/.made
	@echo "installing Intel's OpenCL for CPUs into $(INTEL)"
	@rm -rf $(INTEL) && $(PYTHON) -m venv $(INTEL)
	@$(INTEL)/bin/python -m pip install --quiet intel-opencl-rt intel-cmplr-lib-rt || \
	  echo "note: pip has no Intel OpenCL for this machine: the tables will say so" >&2
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@echo "installing what the documentation needs into $(VENV)"
	@$(PYTHON) -m pip install --quiet --group docs
	@touch $@
