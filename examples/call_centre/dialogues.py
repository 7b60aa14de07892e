"""Chinese dialogues lent to calls that have no text: made up as far as the calls are concerned.

Belongs here: reading a CrossWOZ file and choosing a dialogue for a call. Must not: deciding which
calls get one.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from zipfile import BadZipFile, ZipFile

from cs_resources.errors import SourceError

Turn: TypeAlias = tuple[str | None, str | None]
"""What the customer said and what was answered."""

_ROLES: Final = ("usr", "sys")


@dataclass(frozen=True)
class Dialogues:
    """Dialogues in the order of their ids."""

    turns: Sequence[Sequence[Turn]]

    def of_call(self, callid: str) -> Sequence[Turn]:
        """Return the call's dialogue, the same wherever and whenever it is asked for."""
        digest = hashlib.sha256(callid.encode()).digest()
        return self.turns[int.from_bytes(digest[:8], "big") % len(self.turns)]


def read_dialogues(path: Path) -> Dialogues:
    """Read the JSON file in a CrossWOZ zip: dialogues by id, each with `messages`.

    Only the texts are kept. Raises SourceError for a file that is missing or not of that shape.
    """
    try:
        with ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".json")]
            if len(names) != 1:
                raise SourceError(f"{path} should hold one JSON file; it holds {len(names)}.")
            # annotations are nine tenths of the file: they are left out while it is being read
            found = json.loads(archive.read(names[0]), object_hook=_texts_only)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror or error}") from error
    except BadZipFile as error:
        raise SourceError(f"{path} is not a zip file; give the CrossWOZ zip.") from error
    except ValueError as error:
        raise SourceError(f"{path}: {names[0]} is not JSON: {error}") from error
    return Dialogues(_turns_by_id(path, found))


def _texts_only(found: dict[str, Any]) -> dict[str, Any]:
    kept = ("role", "content") if "role" in found else ("messages",)
    small = {name: found[name] for name in kept if name in found}
    return small or found


def _turns_by_id(path: Path, found: object) -> list[list[Turn]]:
    dialogues = sorted(found.items()) if isinstance(found, dict) else []
    try:
        turns = [_turns(dialogue["messages"]) for _, dialogue in dialogues]
    except (TypeError, KeyError) as error:
        turns = []
        problem = f" (at {error})"
    else:
        problem = ""
    if not turns or not all(turns):
        raise SourceError(
            f"{path} holds no CrossWOZ dialogues{problem}: expected an object of dialogues by id, "
            "each with `messages` of `role` (usr, sys) and `content`."
        )
    return turns


def _turns(messages: Sequence[dict[str, str]]) -> list[Turn]:
    """Pair what the customer says with the answer that follows it."""
    turns: list[Turn] = []
    for message in messages:
        role, text = message["role"], message["content"]
        if role not in _ROLES:
            raise KeyError(role)
        if role == "usr":
            turns.append((text, None))
        elif turns and turns[-1][1] is None:
            turns[-1] = (turns[-1][0], text)
        else:
            turns.append((None, text))
    return turns
