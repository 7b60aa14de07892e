"""`cs doctor` on the language model: what its files say, and one question to see that it answers.

Belongs here: findings about the model that the settings name. Must not: asking about anybody's
calls, booking.

The question is the prompt with an invented dialogue of one turn, sent as the analysis sends its
own; where an endpoint does not take a form of answer, the next one is tried. It is in no ledger:
its tokens are told in the finding.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from cs_apps.finding import Finding, Health
from cs_assets.calls.model_answers import assignment
from cs_assets.calls.prompt import Prompt, PromptError
from cs_assets.calls.redaction import Turn
from cs_resources.model_client import MODES, Endpoint, Outcome, Reply, exchange
from cs_resources.model_of_settings import endpoint_of
from cs_resources.model_prices import Prices
from cs_resources.model_reading import read_answer
from cs_resources.settings import Settings

_PART = "language model"
_DIALOGUE = (Turn("喂，你好。", "您好，请问现在方便接听吗？"),)
_MICROS = 1_000_000
_REMEDIES = {
    Outcome.QUOTA: "the account has no credit left: top it up, or name another endpoint",
    Outcome.NOT_FOUND: "correct LLM_API_BASE_URL (it ends before /chat/completions) or LLM_MODEL",
    Outcome.REDIRECT: "name the final address in LLM_API_BASE_URL: redirects are not followed, a "
    "dialogue goes nowhere else",
    Outcome.CONNECTION: "see that this machine reaches LLM_API_BASE_URL (name, port, proxy, "
    "firewall, certificate)",
    Outcome.TIMEOUT: "see how the endpoint is, or raise LLM_ATTEMPT_TIMEOUT_SECONDS",
    Outcome.SERVER_ERROR: "the endpoint is unwell: try again later; days are judged by rules "
    "meanwhile and redone",
    Outcome.RATE_LIMITED: "set LLM_REQUESTS_PER_MINUTE and LLM_TOKENS_PER_MINUTE to what the "
    "provider allows",
    Outcome.REFUSED: "the endpoint refuses a harmless text: ask its provider",
    Outcome.UNSUPPORTED: "correct LLM_EXTRA_BODY, or name another LLM_MODEL",
    Outcome.CLIENT_ERROR: "correct LLM_EXTRA_BODY or LLM_MODEL",
    Outcome.INVALID: "name another LLM_MODEL, raise LLM_MAX_COMPLETION_TOKENS, or switch a model "
    'that thinks off it by LLM_EXTRA_BODY={"enable_thinking": false}',
}


@dataclass(frozen=True)
class _Tried:
    """How the question ended: in which form it was asked last, how often, what it used."""

    reply: Reply
    mode: str
    requests: int
    prompt_tokens: int
    completion_tokens: int


def look_at_model(settings: Settings) -> Iterator[Finding]:
    """Yield findings about prompt, price and endpoint; one where no model is configured."""
    if not settings.has_model:
        yield Finding(_PART, Health.OK, "none is configured: rules judge alone")
        return
    prices = Prices.load(settings.llm_prices_file)
    yield _price(settings, prices)
    try:
        prompt = Prompt.load(settings.llm_prompt_file)
    except PromptError as error:
        yield Finding("prompt", Health.BROKEN, str(error), "correct the file of LLM_PROMPT_FILE")
        return
    yield Finding("prompt", Health.OK, f"version {prompt.version}")
    endpoint = endpoint_of(settings)
    tried = asyncio.run(_ask(endpoint, prompt, settings))
    yield _answer(settings, endpoint, tried, prices)


def _price(settings: Settings, prices: Prices) -> Finding:
    model = settings.llm_model
    if price := prices.models.get(model):
        seen = f"{price.input} / {price.output} {price.currency} per million tokens, {price.as_of}"
        return Finding("model price", Health.OK, f"{model}: {seen}")
    remedy = "add it to a file of your own (LLM_PRICES_FILE)"
    if settings.llm_budget_cost is not None:
        seen = f"{model} has no known price, so LLM_BUDGET_COST cannot be kept"
        return Finding("model price", Health.BROKEN, seen, f"{remedy}, or use LLM_BUDGET_TOKENS")
    seen = f"{model} has no known price: tokens are counted, money is not"
    return Finding("model price", Health.WARNING, seen, remedy)


async def _ask(endpoint: Endpoint, prompt: Prompt, settings: Settings) -> _Tried:
    """Ask in one form after the other until one is taken, as `model_asking` does."""
    asked = assignment(prompt)
    messages = list(prompt.render(_DIALOGUE, settings.llm_max_dialogue_characters).messages)
    replies: list[Reply] = []
    async with endpoint.client() as client:
        for mode in MODES:
            body = endpoint.request(messages, mode, asked.schema)
            seconds = settings.llm_attempt_timeout_seconds
            reply = await exchange(client, body, endpoint.headers, seconds)
            replies.append(read_answer(asked, reply, mode, is_mode_found=False)[0])
            if replies[-1].outcome is not Outcome.UNSUPPORTED:
                break
    return _Tried(
        replies[-1],
        MODES[len(replies) - 1],
        len(replies),
        sum(reply.prompt_tokens or 0 for reply in replies),
        sum(reply.completion_tokens or 0 for reply in replies),
    )


def _answer(settings: Settings, endpoint: Endpoint, tried: _Tried, prices: Prices) -> Finding:
    used = _used(endpoint.model, tried, prices)
    place = f"{endpoint.model} at {endpoint.name}"
    outcome, why = tried.reply.outcome, tried.reply.error
    if outcome is Outcome.ANSWERED:
        accepted = (
            "the gateway token" if settings.llm_gateway_token.get_secret_value() else "the key"
        )
        seen = f"{place} takes {accepted} and answers as {tried.mode}; {used}"
        return Finding(_PART, Health.OK, seen)
    health = Health.WARNING if outcome is Outcome.RATE_LIMITED else Health.BROKEN
    return Finding(_PART, health, f"{place}: {why}; {used}", _remedy(settings, outcome))


def _used(model: str, tried: _Tried, prices: Prices) -> str:
    requests = f"asked with {tried.requests} request{'s' if tried.requests > 1 else ''}"
    tokens = tried.prompt_tokens + tried.completion_tokens
    cost = prices.cost_micros(model, tried.prompt_tokens, tried.completion_tokens)
    money = f", {cost[0] / _MICROS:.6f} {cost[1]}" if cost else ""
    return f"{requests}, {tokens:,} tokens{money}" if tokens else requests


def _remedy(settings: Settings, outcome: Outcome) -> str:
    if outcome is not Outcome.UNAUTHORIZED:
        return _REMEDIES[outcome]
    if settings.llm_gateway_token.get_secret_value():
        return "correct LLM_GATEWAY_TOKEN"
    if settings.llm_api_key.get_secret_value():
        return "correct LLM_API_KEY: the endpoint does not take it"
    return "set LLM_API_KEY, or LLM_GATEWAY_TOKEN for a gateway"
