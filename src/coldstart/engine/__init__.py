"""The reconstruction itself, on compute and model: no files, no GUI."""
