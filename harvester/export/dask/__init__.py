"""Exports whose parts are made by the workers of a Dask cluster."""
