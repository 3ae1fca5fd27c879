"""What the field knows, in pure NumPy: geometry, CTF, Fourier conventions, records. No files, no OpenCL, no GUI."""
