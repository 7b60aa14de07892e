"""Dialogue turns and progress events of a chunk of calls.

Belongs here: the text bank (`dialogues.yaml`) and which of its texts each detail row holds.
Does not belong here: whether a call was connected or how it went (`call_records`).

The bank is flat: every pool of turns is a slice of two arrays, so that a whole chunk of rows
is picked by index at once.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from cs_apps.sample_data.call_plan import Chunk, IntArray, Stream, objects, random_uuids
from cs_apps.sample_data.call_records import NO_SPECIAL, SPECIALS, CallDraw

TURN: Final = "asrmessage_notify"
EVENTS: Final = ("enter", "playback_result", "leave", "asrprogress_notify", TURN)
ENTER, PLAYBACK, LEAVE, PROGRESS, MESSAGE = range(5)
MOODS: Final = ("negative", "neutral", "positive")
VARIANTS: Final = 5
"""Renderings of a text with slots, each with other slot values."""

DETAIL_COLUMNS: Final = (
    "id",
    "record_id",
    "callid",
    "sequence",
    "notify",
    "question",
    "answer_content",
)

Turn = tuple[str | None, str | None]
_SLOT: Final = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class DialogueBank:
    """All turns, flat, with the slice (`start`, `size`) of each pool.

    `opening[scenario]`, `middle[scenario, mood]`, `closing[mood]` and `special[kind]` are pools.
    """

    scenarios: tuple[str, ...]
    questions: NDArray[np.object_]
    answers: NDArray[np.object_]
    start: IntArray
    size: IntArray
    silence: int
    partial: int
    opening: IntArray
    middle: IntArray
    closing: IntArray
    special: IntArray


class _Pools:
    """Collects pools into one flat list of turns."""

    def __init__(self, slots: dict[str, list[str]]) -> None:
        self.slots = slots
        self.turns: list[Turn] = []
        self.bounds: list[tuple[int, int]] = []

    def add(self, templates: list[Turn]) -> int:
        """Render a pool, variant by variant so that neighbours differ; return its number."""
        start = len(self.turns)
        for variant in range(VARIANTS):
            for at, template in enumerate(templates):
                rendered = tuple(self._fill(text, variant + at * 3) for text in template)
                if variant == 0 or rendered != template:
                    self.turns.append((rendered[0], rendered[1]))
        self.bounds.append((start, len(self.turns) - start))
        return len(self.bounds) - 1

    def _fill(self, text: str | None, shift: int) -> str | None:
        if text is None:
            return None
        return _SLOT.sub(lambda slot: self._value(slot[1], shift), text)

    def _value(self, slot: str, shift: int) -> str:
        values = self.slots[slot]
        return values[shift % len(values)]


@cache
def load_bank() -> DialogueBank:
    """Read and render the texts once per process."""
    text = Path(__file__).with_name("dialogues.yaml").read_text(encoding="utf-8")
    source: dict[str, Any] = yaml.safe_load(text)
    pools = _Pools(source["slots"])
    scenarios = list(source["scenarios"].values())
    silence = pools.add([(None, None)])
    partial = pools.add([(text, None) for text in source["partials"]])
    opening = [pools.add(_turns(scenario["open"])) for scenario in scenarios]
    middle = [
        [pools.add(_turns(scenario[mood] + source["common"][mood])) for mood in MOODS]
        for scenario in scenarios
    ]
    closing = [pools.add(_turns(source["close"][mood])) for mood in MOODS]
    special = [pools.add(_turns(source["special"][kind])) for kind in SPECIALS]
    bounds = np.array(pools.bounds, dtype=np.int64)
    return DialogueBank(
        scenarios=tuple(scenario["name"] for scenario in scenarios),
        questions=objects([turn[0] for turn in pools.turns]),
        answers=objects([turn[1] for turn in pools.turns]),
        start=bounds[:, 0],
        size=bounds[:, 1],
        silence=silence,
        partial=partial,
        opening=np.array(opening),
        middle=np.array(middle),
        closing=np.array(closing),
        special=np.array([*special, silence]),
    )


def _turns(templates: list[list[str | None]]) -> list[Turn]:
    return [(customer, robot) for customer, robot in templates]


@dataclass(frozen=True)
class DetailRows:
    """Detail rows as columns; `owner` is each row's position among the chunk's records."""

    columns: tuple[list[Any], ...]
    owner: IntArray
    turns: int


def detail_rows(
    chunk: Chunk, draw: CallDraw, record_ids: list[str], callids: list[Any], origin: list[int]
) -> DetailRows:
    """Return the events and turns of the given records, in order of record and sequence."""
    bank, rng = load_bank(), chunk.stream(Stream.DETAILS)
    source = np.array(origin, dtype=np.int64)
    turns = draw.turns[source]
    lengths = turns + turns // 2 + 3
    owner = np.repeat(np.arange(len(source)), lengths)
    sequence = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kind, turn = _layout(sequence, lengths[owner])
    scenario = np.array([task.scenario for task in chunk.tasks])[draw.task][source]
    special_at = _special_position(draw.special[source], turns)
    pool = np.where(turn == 0, bank.opening[scenario][owner], bank.silence)
    middle = bank.middle[scenario, draw.mood[source]]
    pool = np.where(turn > 0, middle[owner], pool)
    ends = (turn > 0) & (turn == turns[owner] - 1)
    pool = np.where(ends, bank.closing[draw.mood[source]][owner], pool)
    pool = np.where(turn == special_at[owner], bank.special[draw.special[source]][owner], pool)
    pool = np.where(kind == PROGRESS, bank.partial, np.where(kind == MESSAGE, pool, bank.silence))
    offset = rng.integers(0, 2**31, chunk.size)[source]
    step = np.where(turn < 0, sequence, turn)
    text = bank.start[pool] + (offset[owner] + step) % bank.size[pool]
    columns: tuple[list[Any], ...] = (
        random_uuids(rng, len(owner)),
        objects(record_ids)[owner].tolist(),
        objects(callids)[owner].tolist(),
        sequence.tolist(),
        objects(EVENTS)[kind].tolist(),
        bank.questions[text].tolist(),
        bank.answers[text].tolist(),
    )
    return DetailRows(columns, owner, int((kind == MESSAGE).sum()))


def _layout(sequence: IntArray, length: IntArray) -> tuple[IntArray, IntArray]:
    """Return each row's event and turn number (-1: none).

    enter, playback, then turn, progress, turn repeating, and leave at the end.
    """
    place = sequence - 2
    kind = np.where(place % 3 == 1, PROGRESS, MESSAGE)
    kind = np.where(sequence == 0, ENTER, np.where(sequence == 1, PLAYBACK, kind))
    kind = np.where(sequence == length - 1, LEAVE, kind)
    turn = np.where(kind == MESSAGE, place // 3 * 2 + (place % 3 == 2), -1)
    return kind, turn


def _special_position(special: IntArray, turns: IntArray) -> IntArray:
    """Return the turn that holds the special text: a refusal ends the call; -2: none."""
    last = turns - 1
    at = np.where(special == SPECIALS.index("refusal"), last, np.maximum(1, last - 1))
    return np.where((special == NO_SPECIAL) | (turns < 2), -2, at)


def orphan_row(ids: list[str]) -> tuple[Any, ...]:
    """Return a turn under the given ids (own, record, callid)."""
    return *ids, 1, TURN, "喂，你好。", "您好，请问方便接听吗？"
