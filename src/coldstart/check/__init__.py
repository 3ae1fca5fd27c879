"""Checks of particles before a run: NumPy and SciPy alone, one check a file, all of them in `registry.py`."""
