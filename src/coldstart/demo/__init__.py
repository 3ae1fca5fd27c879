"""The demo set: a made-up molecule, its simulated images, and the comparison of a result with that truth."""
