"""What the demo shows of its language model, in the reader's language.

Belongs here: tables and sentences. Must not: figures (see `model_effect`), words (see
`model_texts`).
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import TypeAlias

from rich.console import Group
from rich.table import Table

from cs_apps.costs import Costs, total
from cs_apps.demo_model import MODEL
from cs_apps.model_effect import ModelEffect, model_effect
from cs_apps.model_texts import text
from cs_assets.calls.keywords import KINDS
from cs_assets.calls.sentiment_contracts import SENTIMENTS
from cs_assets.definitions import CONTRACTS, rules_of
from cs_resources.model_prices import Prices
from cs_resources.model_store import ModelStore
from cs_resources.settings import Settings
from cs_resources.storage import storage_of

_LIKE = "qwen-turbo"
"""The model whose price is named in place of that of the scripted one, which has none."""
_MICROS = 1_000_000


Say: TypeAlias = Callable[[str], str]


def costs_so_far(settings: Settings, first: date, last: date) -> Costs:
    """Return what the days' calls have cost up to now."""
    return total(ModelStore(storage_of(settings, CONTRACTS).warehouse).costs(first, last))


def report(settings: Settings, used: Costs, first: date, last: date) -> Group:
    """Show what the model changed on the days, what this run `used`, and how to go on."""
    effect = model_effect(storage_of(settings, CONTRACTS), rules_of(settings), first, last)
    say = partial(text, locale=settings.cs_locale)
    cost = Prices.load().cost_micros(_LIKE, used.prompt_tokens, used.completion_tokens)
    return Group(
        _verdicts(effect, say),
        _risks(effect, say),
        say("used").format(
            requests=used.requests,
            answered=used.answered,
            prompt=used.prompt_tokens,
            completion=used.completion_tokens,
            model=_LIKE,
            price=f"{cost[0] / _MICROS:.4f} {cost[1]}" if cost else "?",
            own=MODEL,
        ),
        say("look").format(first=first, last=last),
        say("gone").format(days=(last - first).days + 1),
    )


def _verdicts(effect: ModelEffect, say: Say) -> Table:
    table = Table(title=say("title"), title_justify="left")
    table.add_column("")
    for side in ("rules_alone", "with_model"):
        table.add_column(say(side), justify="right")
    sides = (effect.by_rules, effect.published)
    table.add_row(say("dialogues"), *(f"{side['dialogues']:,}" for side in sides))
    table.add_row(say("judged"), *(_share(side, "judged") for side in sides))
    table.add_row(say("by_model"), "", f"{effect.published['by_model']:,}")
    table.add_row(say("from_cache"), "", f"{effect.published['from_cache']:,}")
    table.add_row(say("judged_by_rules"), *(f"{side['by_rules']:,}" for side in sides))
    table.add_section()
    for mood in SENTIMENTS:
        table.add_row(say(mood), *(_share(side, mood) for side in sides))
    table.add_section()
    for kind in KINDS:
        name = f"high_{kind}_risk"
        table.add_row(say(name), *(f"{side[name]:,}" for side in sides))
    return table


def _risks(effect: ModelEffect, say: Say) -> Table:
    table = Table(title=say("high_seen_by"), title_justify="left")
    for heading in ("", "rules_only", "model_only", "both", "kappa"):
        table.add_column(say(heading) if heading else "", justify="right" if heading else "left")
    for kind in KINDS:
        high, kappa = effect.high[kind], effect.kappa[kind]
        counts = (high.rules_only, high.model_only, high.both)
        agreement = "?" if kappa is None else f"{kappa:.2f}"
        table.add_row(say(kind), *(f"{count:,}" for count in counts), agreement)
    return table


def _share(counts: Mapping[str, int], name: str) -> str:
    share = f" ({counts[name] / counts['dialogues']:.0%})" if counts["dialogues"] else ""
    return f"{counts[name]:,}{share}"
