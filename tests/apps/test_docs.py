"""The documents are true: links lead somewhere, every setting and command is told, the dictionary
is that of the contracts.
"""

import re
from pathlib import Path

import pytest

from cs_apps import dictionary
from cs_apps.cli import app
from cs_resources.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "deploy/**/*.md")
    for path in ROOT.glob(pattern)
)
_LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    links = [link for link, _ in _LINK.findall(page.read_text(encoding="utf-8"))]
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link).resolve() for link, _ in _LINK.findall(index)}
    pages = {path.resolve() for path in (ROOT / "docs").rglob("*.md")} - {ROOT / "docs/index.md"}
    assert pages - linked == set()


def test_the_readme_names_every_setting_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = {name.upper() for name in Settings.model_fields}
    aliases = {name for name in settings if name.startswith(("SOURCE_DB_", "PORTRAIT_DB_"))}
    named = set(re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", readme))
    assert settings - aliases - named == set()
    assert named - settings - {"SOURCE_DB_", "PORTRAIT_DB_", "CS_REQUIRE_SERVICES"} == set()


def test_every_command_is_told_somewhere() -> None:
    told = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    names = {
        command.name or command.callback.__name__
        for group in groups
        for command in group.registered_commands
        if command.callback
    }
    assert {name for name in names if f"cs {name}" not in told} == set()


def test_the_dictionary_is_that_of_the_contracts() -> None:
    written = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert written == dictionary.page()
