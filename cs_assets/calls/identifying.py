"""Which runs of digits in a call identify somebody.

Belongs here: putting runs together that are one number, the words that announce a number. Must
not: how digits are said (see `digit_runs`), number plans (see `identifiers`), replacing.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby, pairwise
from typing import Final, NamedTuple

from cs_assets.calls.digit_runs import PAUSE, SPOKEN, Joint, Run, joint
from cs_assets.calls.identifiers import LONGEST, Kind, is_mobile, is_public, is_service, shape

ENOUGH: Final = 7
"""So many digits on end identify somebody, whatever they are."""
_LEAST_SHAPED: Final = 10
_ENOUGH_SPOKEN: Final = 8
_CORRECTION: Final = 4
_CUE: Final = (
    "电话|手机|座机|号码|[卡账帐户单]号|身份证|证件|护照|工单|订单|银行卡|联系方式|QQ|微信|邮箱"
)
ASKS: Final = re.compile(_CUE)
_CUED: Final = re.compile(f"(?:{_CUE})号?(?:{PAUSE}|[为叫])*+$")
_PAUSES: Final = re.compile(f"{PAUSE}*+")
_LEAD: Final = re.compile(f"(?:{PAUSE}|{_CUE})*+")
_LOOK_BACK: Final = 24
_EXTENSION: Final = re.compile(rf" ?(?:转|分机号?)是? ?[0-9{SPOKEN}]{{1,6}}")
_LETTER_BEFORE: Final = re.compile(r"(?<![A-Za-z])[A-Za-z][ -]?$")


class Span(NamedTuple):
    """An identifier, or the part of one that stands on one line."""

    start: int
    end: int
    kind: Kind
    digits: str = ""
    is_first: bool = True
    """Whether it counts: later parts of the same identifier do not."""


class _Group(NamedTuple):
    """Runs that are one number, first to last."""

    first: int
    last: int
    kind: Kind


def digit_spans(
    text: str, found: Sequence[Run], answers: AbstractSet[int] = frozenset()
) -> list[Span]:
    """Return the identifiers among the runs of a plain text.

    `answers`: where utterances begin that answer a question for a number.
    """
    joints = [Joint.APART] + [
        joint(text, before.end, after.start) for before, after in pairwise(found)
    ]
    groups: list[_Group] = []
    for loosest in (Joint.TIGHT, Joint.PAUSE, Joint.LINE, Joint.TALK):
        groups += _shaped(found, joints, loosest, _taken(groups))
    groups += _long(found, joints, _taken(groups))
    groups += _announced(text, found, joints, _taken(groups), answers)
    return [span for group in groups for span in _spans_of(text, found, group)]


def _taken(groups: Iterable[_Group]) -> set[int]:
    return {at for group in groups for at in range(group.first, group.last + 1)}


def _shaped(
    found: Sequence[Run], joints: Sequence[Joint], loosest: Joint, taken: AbstractSet[int]
) -> Iterator[_Group]:
    """Yield the longest numbers that have a shape, from the left; no joint is above `loosest`."""
    for block in _blocks(found, joints, loosest):
        if loosest > Joint.TIGHT and all(joints[at] < loosest for at in block[1:]):
            # nothing that was not looked at with closer joints
            continue
        for part in _parts(block, taken):
            at = 0
            while at < len(part):
                group = _longest_shape(found, part[at : at + LONGEST], loosest)
                if group:
                    yield group
                at += group.last - group.first + 1 if group else 1


def _longest_shape(found: Sequence[Run], part: Sequence[int], loosest: Joint) -> _Group | None:
    best, digits, length = None, [], 0
    for at in part:
        digits.append(found[at].digits)
        length += len(digits[-1])
        if length > LONGEST:
            break
        if length < _LEAST_SHAPED or not _may_be_one(found[part[0] : at + 1], loosest):
            continue
        ends_in_x = length == 17 and found[at].x_end
        kind = shape([*digits, "X"] if ends_in_x else digits, is_loose=loosest > Joint.TIGHT)
        if kind:
            best = _Group(part[0], at, kind)
    return best


def _may_be_one(part: Sequence[Run], loosest: Joint) -> bool:
    """Say whether what the runs measure and how they are said lets them be one number."""
    if any(run.is_compound for run in part):
        # 一百三十八, 零零一二: not only a list of prices
        longest = max(len(run.digits) for run in part if run is part[0] or not run.is_compound)
        if loosest is Joint.TALK or longest < 3:
            return False
        if not is_mobile("".join(run.digits for run in part)):
            return False
    if loosest is Joint.TIGHT:
        return True
    if any(run.measure for run in part[:-1]) or part[-1].measure == "hard":
        return False
    short = [run for run in part if len(run.digits) == 1]
    return loosest < Joint.TALK or (len(short) <= 1 and part[0] not in short)


def _long(
    found: Sequence[Run], joints: Sequence[Joint], taken: AbstractSet[int]
) -> Iterator[_Group]:
    """Yield what is long enough without a pause in it, whatever its shape."""
    for block in _blocks(found, joints, Joint.TIGHT):
        bare = [at for at in block if not found[at].measure and not found[at].is_compound]
        if sum(len(found[at].digits) for at in bare) < ENOUGH:
            continue
        if not (_are_round(found, bare) or all(is_public(found[at].digits) for at in bare)):
            yield from _together([at for at in bare if at not in taken])


def _are_round(found: Sequence[Run], places: Sequence[int]) -> bool:
    """Say whether these are several round numbers (100 200 300), which are prices."""
    return len(places) > 2 and all(found[at].digits.endswith("0") for at in places)


def _announced(
    text: str,
    found: Sequence[Run],
    joints: Sequence[Joint],
    taken: AbstractSet[int],
    answers: AbstractSet[int],
) -> Iterator[_Group]:
    """Yield numbers with pauses that a word announces, or that are said digit by digit."""
    for block in _blocks(found, joints, Joint.LINE):
        numbers = [at for at in block if at in taken]
        for part in _unmeasured(block, found, taken):
            said = [found[at] for at in part]
            if corrections := list(_corrections(text, found, part, numbers)):
                yield from _together(corrections)
                continue
            if all(is_public(run.digits) for run in said):
                continue
            length = sum(len(run.digits) for run in said)
            between = text[said[0].start : said[-1].end]
            is_announced = "、" not in between and "/" not in between
            is_announced = is_announced and _is_announced(text, said[0].start, answers)
            if length >= ENOUGH and (is_announced or _is_dictated(said)):
                yield _Group(part[0], part[-1], "NUMBER")


def _corrections(
    text: str, found: Sequence[Run], part: Sequence[int], numbers: Sequence[int]
) -> Iterator[int]:
    """Yield what is said beside a number, to correct it or as a part of it that was misheard."""
    lines = {_line_of(text, found[at].start) for at in numbers}
    for at in part if numbers else ():
        run = found[at]
        if len(run.digits) < _CORRECTION or is_service(run.digits):
            continue
        if _line_of(text, run.start) in lines or _stands_alone(text, found, at):
            yield at


def _stands_alone(text: str, found: Sequence[Run], at: int) -> bool:
    """Say whether nothing but hesitation or an announcement stands beside a run on its line."""
    start, end = _line_of(text, found[at].start), text.find("\n", found[at].end)
    if at and found[at - 1].end > start:
        return False
    if end >= 0 and at + 1 < len(found) and found[at + 1].start < end:
        return False
    return bool(
        _LEAD.fullmatch(text, start, found[at].start)
        and _LEAD.fullmatch(text, found[at].end, len(text) if end < 0 else end)
    )


def _line_of(text: str, position: int) -> int:
    """Return where the line of a position begins."""
    return text.rfind("\n", 0, position) + 1


def _is_announced(text: str, start: int, answers: AbstractSet[int]) -> bool:
    line = _line_of(text, start)
    if line in answers and _PAUSES.fullmatch(text, line, start):
        return True
    return _CUED.search(text[max(0, start - _LOOK_BACK) : start]) is not None


def _is_dictated(said: Sequence[Run]) -> bool:
    """Say whether digits are said one by one, as no price is."""
    lengths = [len(run.digits) for run in said]
    if max(lengths) == 1:
        values = [int(run.digits) for run in said]
        return any(after != before + 1 for before, after in pairwise(values))
    is_spoken = all(run.is_spoken for run in said)
    return is_spoken and max(lengths) >= 4 and sum(lengths) >= _ENOUGH_SPOKEN


def _blocks(found: Sequence[Run], joints: Sequence[Joint], loosest: Joint) -> Iterator[list[int]]:
    block: list[int] = []
    for at in range(len(found)):
        if block and joints[at] > loosest:
            yield block
            block = []
        block.append(at)
    if block:
        yield block


def _parts(block: Iterable[int], taken: AbstractSet[int]) -> Iterator[list[int]]:
    """Yield what taken runs leave of a block."""
    for is_taken, part in groupby(block, taken.__contains__):
        if not is_taken:
            yield list(part)


def _unmeasured(
    block: Iterable[int], found: Sequence[Run], taken: AbstractSet[int]
) -> Iterator[list[int]]:
    """Yield the parts of a block without taken runs, numbers read as one, and measures."""
    part: list[int] = []
    for at in block:
        run = found[at]
        is_out = at in taken or run.is_compound or run.measure == "hard"
        part += [] if is_out else [at]
        if part and (is_out or run.measure):
            yield part
            part = []
    if part:
        yield part


def _together(places: Iterable[int]) -> Iterator[_Group]:
    """Yield groups of neighbours."""
    group: _Group | None = None
    for at in places:
        if group and at == group.last + 1:
            group = group._replace(last=at)
            continue
        if group:
            yield group
        group = _Group(at, at, "NUMBER")
    if group:
        yield group


def _spans_of(text: str, found: Sequence[Run], group: _Group) -> Iterator[Span]:
    """Yield the spans of a number, one for each line it stands on."""
    said = found[group.first : group.last + 1]
    digits = "".join(run.digits for run in said)
    start = said[0].start
    for run, after in zip(said, [*said[1:], None], strict=True):
        if after and "\n" not in text[run.end : after.start]:
            continue
        end = run.end
        if after is None:
            end = _end_of(text, run, group.kind)
        is_first = start == said[0].start
        yield _with_letter(text, Span(start, end, group.kind, digits, is_first))
        start = after.start if after else end


def _end_of(text: str, last: Run, kind: Kind) -> int:
    if kind == "ID" and last.x_end:
        return last.x_end
    extension = _EXTENSION.match(text, last.end) if kind == "PHONE" else None
    return extension.end() if extension else last.end


def _with_letter(text: str, span: Span) -> Span:
    """Take in a letter before a number (E12345678): it is a document's."""
    if span.kind == "PHONE" and text[span.start - 1 : span.start] in ("+", "("):
        return span._replace(start=span.start - 1)
    letter = _LETTER_BEFORE.search(text[max(0, span.start - 3) : span.start])
    if letter and span.kind == "NUMBER" and span.is_first:
        return span._replace(start=span.start - len(letter[0]), kind="ID")
    return span
