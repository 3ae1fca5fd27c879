"""One job on the workers of a Dask cluster. Needs the extra `cluster`, which is not imported before it is asked for."""
