"""The demo's language model: the scripted server, for the length of one run.

Belongs here: the settings that point at it, and what it does wrong. Must not: the server itself
(see `scripted_model`), what is shown of its work (see `model_effect`).
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from cs_apps.scripted_model.process import RunningModel, started
from cs_resources.errors import PlatformError
from cs_resources.setting_groups import ModelSettings
from cs_resources.settings import Settings, load_settings

PORT = 8137
"""Always the same one: answers are kept by address, so another port would be another endpoint."""
MODEL = "scripted"
_OPTIONS = ("--latency", "0.02", "--judge", "careless:0.01:0.01", "--seed", "1")
_FAULTS: Mapping[str, object] = {
    # refused for good, as providers refuse angry words: the rules judge these calls
    "法庭": "data_inspection_failed",
    # what passes: the request is sent again
    "投诉": ["server_error", "rate_limited:1"],
    # no answer as it was asked for: once each, mended when asked again
    "满意": ["wrong_enum"],
    "套餐": ["html"],
}


@contextmanager
def scripted_model() -> Iterator[Settings]:
    """Run the scripted server; yield the installation's settings with it as the only endpoint.

    Whatever else is set about a model does not count meanwhile. Raises PlatformError if the server
    does not start.
    """
    unset = {
        name: field.get_default(call_default_factory=True)
        for name, field in ModelSettings.model_fields.items()
    }
    with _served() as model:
        model.play(_FAULTS)
        own = {
            "llm_api_base_url": model.base_url,
            "llm_api_key": model.key,
            "llm_model": MODEL,
        }
        yield load_settings(**unset | own)


@contextmanager
def _served() -> Iterator[RunningModel]:
    with ExitStack() as stack:
        try:
            model = stack.enter_context(started("--port", str(PORT), *_OPTIONS))
        except PlatformError as error:
            raise PlatformError(
                f"the scripted model did not start on port {PORT}; end what listens "
                "there (one that was started by hand?) and try again"
            ) from error
        yield model
