"""Deterministic sample inputs, one module per source system; nothing here reads real data."""
