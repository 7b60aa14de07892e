"""Judgement as data: YAML files that people write, read into models.

Belongs here: reading a file, and saying what is wrong with it in words that its writer understands.
Must not: what any one file means.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cs_resources.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)

_SHOWN: Final = 60
_SAID: Final = {
    "missing": "is missing; add it{packaged}",
    "extra_forbidden": "unknown key; remove it or correct its spelling",
    "string_too_short": "is empty; write it{packaged}",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text; put it in quotes",
    "dict_type": "must be keys with values (key: value)",
    "model_type": "must be keys with values (key: value)",
    "mapping_type": "must be keys with values (key: value)",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "has too few entries; add some",
    "too_long": "has too many entries; remove some",
}
"""What pydantic says in its own terms, in the terms of YAML."""


class YamlFileError(ConfigurationError, ValueError):
    """A file does not say what it should; the message names file, place and remedy."""


class _OnceLoader(yaml.SafeLoader):
    """Plain YAML in which a key stands once; the last one would win without a word."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # as written: later on, a merge (<<) puts in keys that may be overridden
        node = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in seen:
                raise yaml.YAMLError(
                    f"'{key.value}' stands in line {seen[name]} and again in line {line}; "
                    "remove one of them"
                )
            seen[name] = line
        return node


def load_yaml(
    path: Path,
    model: type[M],
    error: type[ConfigurationError] = YamlFileError,
    packaged: Path | None = None,
) -> M:
    """Read a YAML file in UTF-8; see `parse_yaml`."""
    return parse_yaml(path, read_text(path, error), model, error, packaged)


def read_text(path: Path, error: type[ConfigurationError] = YamlFileError) -> str:
    """Return the text of a file in UTF-8; raises `error` naming the file and the remedy."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        message = f"{path}: cannot be read: {problem.strerror}; correct the setting that names it"
        raise error(message) from problem
    except UnicodeDecodeError as problem:
        message = f"{path}: byte {problem.start}: is not UTF-8; save it as UTF-8"
        raise error(message) from problem


def parse_yaml(
    path: Path,
    text: str,
    model: type[M],
    error: type[ConfigurationError] = YamlFileError,
    packaged: Path | None = None,
) -> M:
    """Return what a YAML text says; `path` and `packaged`, a file to learn from, are for messages.

    Raises `error` with one line for each mistake, naming file, place and remedy; also for a key
    that stands twice.
    """
    try:
        content = yaml.load(text, _OnceLoader)
    except (yaml.YAMLError, ValueError) as problem:  # ValueError: an impossible date
        raise error(f"{path}: is not good YAML: {problem}") from problem
    try:
        return model.model_validate(content)
    except ValidationError as problems:
        found = problems.errors(include_url=False)
        lines = [
            f"{path}: {_place(problem['loc'], content)}: {_said(problem, packaged)}"
            for problem in found
            if not _is_consequence(problem, found)
        ]
        raise error("\n".join(lines)) from None


def _is_consequence(problem: ErrorDetails, problems: Sequence[ErrorDetails]) -> bool:
    """Say whether a list is too short only because its entries are wrong: those are told."""
    place = problem["loc"]
    return problem["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in problems
    )


def name_differences(given: Iterable[str], expected: Iterable[str]) -> str:
    """Say which names to add and to remove; empty if they are the expected ones."""
    given, expected = list(given), list(expected)
    missing = [name for name in expected if name not in given]
    unknown = [name for name in given if name not in expected]
    parts = (("add", missing), ("remove", unknown))
    return ", ".join(f"{word} {', '.join(names)}" for word, names in parts if names)


def _place(location: tuple[int | str, ...], content: Any) -> str:
    """Name a place as its writer counts: list entries from 1."""
    place = ""
    for part in location:
        if part == "[key]":
            continue
        if isinstance(part, int) and not isinstance(content, dict):
            place += f"[{part + 1}]"
        else:
            place += f".{part}" if place else str(part)
        try:
            content = content[part]
        except (LookupError, TypeError):  # missing, or a name that only the model knows
            content = None
    return place or "file"


def _said(problem: Mapping[str, Any], packaged: Path | None) -> str:
    kind, given = problem["type"], problem["input"]
    as_in = f" as in the packaged {packaged.name}" if packaged else ""
    if said := _SAID.get(kind):
        message = said.replace("{packaged}", as_in)
    else:
        message = problem["msg"].removeprefix("Value error, ")
        message = message.replace("Input should", "must").replace("String should", "must")
    is_plain = isinstance(given, str | int | float) or given is None
    # what a whole mapping or a long text holds is no help
    tells = is_plain and given != "" and len(repr(given)) <= _SHOWN
    if tells and kind not in ("missing", "extra_forbidden", "value_error"):
        return f"{message} (it is {'empty' if given is None else repr(given)})"
    return message
