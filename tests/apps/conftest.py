"""Shared by the tests of what people and programs open."""

import warnings

with warnings.catch_warnings():
    # Typer's own imports warn with the newest Click
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer.testing  # noqa: F401
