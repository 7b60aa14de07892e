"""Worked examples: other people's data brought into a source's schema. Nothing depends on them."""
