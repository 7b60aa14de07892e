"""Shared by the tests of what people and programs open."""

import warnings

from scripted_cases import client, connected, model, running

with warnings.catch_warnings():
    # Typer's own imports warn with the newest Click
    warnings.simplefilter("ignore", DeprecationWarning)
    import typer.testing  # noqa: F401

__all__ = ["client", "connected", "model", "running"]
