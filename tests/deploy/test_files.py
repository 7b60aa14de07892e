"""The files of deploy/ agree with each other and with the programs that they start.

No container engine is needed: compose file, Dockerfile and units are read as data.
"""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dagster._cli.api import grpc_command, grpc_health_check_command
from dagster._core.instance.config import dagster_instance_config
from dagster._daemon.cli import liveness_check_command, run_command
from dagster_webserver.cli import dagster_webserver
from dotenv import dotenv_values

from cs_resources.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = ROOT / "deploy" / "production"
COMPOSE = PRODUCTION / "compose"
UNITS = sorted((PRODUCTION / "systemd").glob("*.service"))
PROGRAMS: dict[tuple[str, ...], click.Command] = {
    ("dagster", "api", "grpc"): grpc_command,
    ("dagster", "api", "grpc-health-check"): grpc_health_check_command,
    ("dagster-daemon", "run"): run_command,
    ("dagster-daemon", "liveness-check"): liveness_check_command,
    ("dagster-webserver",): dagster_webserver,
}
NOT_THE_LOGINS = ("PrivateTmp", "NoNewPrivileges", "ProtectSystem", "ProtectHome")


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())[
        "services"
    ]
    return found


def unit(path: Path) -> RawConfigParser:
    parser = RawConfigParser(strict=False)  # a unit may say Environment= more than once
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    # a backslash ends a line that goes on
    parser.read_string(re.sub(r"\\\n\s*", " ", path.read_text()))
    return parser


def commands() -> Iterator[tuple[str, list[str]]]:
    for path in UNITS:
        yield path.stem, shlex.split(unit(path)["Service"]["ExecStart"])
    for name, service in services().items():
        if "build" in service and name != "prepare":
            yield name, service["command"]
            if service["healthcheck"]["test"][1] != "python":
                yield f"{name} health", service["healthcheck"]["test"][1:]


@pytest.mark.parametrize(("name", "words"), list(commands()), ids=lambda value: str(value)[:20])
def test_every_command_is_one_that_the_programs_know(name: str, words: list[str]) -> None:
    words = [word.replace("/opt/cs/.venv/bin/", "").replace("/opt/cs", str(ROOT)) for word in words]
    (program,) = [
        key for key in PROGRAMS if tuple(words[: len(key)]) == key and _is_whole(key, words)
    ]
    PROGRAMS[program].make_context(words[0], words[len(program) :])
    if "--workspace" in words:
        assert Path(words[words.index("--workspace") + 1]) == PRODUCTION / "workspace.yaml"


def _is_whole(key: tuple[str, ...], words: list[str]) -> bool:
    """Whether no longer name of a program fits."""
    return not any(
        len(other) > len(key) and tuple(words[: len(other)]) == other for other in PROGRAMS
    )


@pytest.mark.parametrize("kind", ["production", "embedded"])
def test_dagster_takes_the_configuration(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql+psycopg2://u@h/d")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(ROOT / "deploy" / kind / "dagster.yaml", tmp_path)
    configuration, _ = dagster_instance_config(str(tmp_path))
    assert configuration["telemetry"] == {"enabled": False}
    assert configuration["run_monitoring"]["poll_interval_seconds"] <= 30
    assert configuration["run_retries"]["max_retries"] > 0


def test_both_configurations_differ_in_the_storage_only() -> None:
    production, embedded = (
        yaml.safe_load((ROOT / "deploy" / kind / "dagster.yaml").read_text())
        for kind in ("production", "embedded")
    )
    assert production.pop("storage") != embedded.pop("storage")
    assert production == embedded


def test_only_the_proxy_is_reached_from_outside() -> None:
    for path in UNITS:
        command = unit(path)["Service"]["ExecStart"]
        assert "--host 127.0.0.1" in command or "dagster-daemon" in command
    published = {name for name, service in services().items() if "ports" in service}
    assert published == {"proxy"}


def test_viewers_change_nothing() -> None:
    assert "--read-only" in services()["webserver"]["command"]
    assert (
        "--read-only"
        in unit(PRODUCTION / "systemd" / "cs-webserver.service")["Service"]["ExecStart"]
    )
    caddy = (PRODUCTION / "Caddyfile").read_text()
    assert caddy.count("basicauth {") == caddy.count("reverse_proxy ") == 2
    operators = caddy.split("handle @operate {")[1].split("reverse_proxy")[0]
    assert "CS_VIEWER" not in operators


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_units_are_restarted_and_confined(path: Path) -> None:
    service = unit(path)["Service"]
    assert (service["User"], service["Restart"]) == ("cs", "always")
    assert service["EnvironmentFile"] == "/etc/cs/cs.env"
    assert all(name in service for name in NOT_THE_LOGINS)
    for name in re.findall(r"(?<=/opt/cs/\.venv/bin/)\S+", path.read_text()):
        assert (Path(sys.executable).parent / name).exists(), name


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if not (systemd := shutil.which("systemd-analyze")):
        pytest.skip("systemd-analyze is not there")
    for path in (PRODUCTION / "systemd").iterdir():
        programs = f"{Path(sys.executable).parent}/"
        text = path.read_text().replace("/opt/cs/.venv/bin/", programs)
        (tmp_path / path.name).write_text(text)
    names = [str(tmp_path / path.name) for path in UNITS]
    done = subprocess.run([systemd, "verify", *names], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_services_are_healthy_before_others_need_them() -> None:
    found = services()
    for name, service in found.items():
        assert name == "prepare" or "healthcheck" in service
        for other, needed in service.get("depends_on", {}).items():
            is_done = needed["condition"] == "service_completed_successfully"
            assert is_done == (other == "prepare")
            assert is_done or "healthcheck" in found[other]


def test_what_the_compose_file_names_is_there() -> None:
    for name, service in services().items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith(".") or (COMPOSE / source).exists(), (name, source)
        example = f"{service['env_file']}.example"
        assert (PRODUCTION / example).exists() or (COMPOSE / example).exists()
        if "build" in service:
            build = service["build"]
            assert (COMPOSE / build["context"]).resolve() == ROOT
            assert (ROOT / build["dockerfile"]).exists()


def test_the_image_runs_without_root_and_installs_by_hash() -> None:
    text = re.sub(r"\\\n\s*", " ", (COMPOSE / "Dockerfile").read_text())
    lines = [shlex.split(line) for line in text.splitlines() if line and line[0] != "#"]
    assert lines[0] == ["FROM", "python:3.11-slim"]
    assert [line[1] for line in lines if line[0] == "USER"] == ["cs"]
    assert any("--require-hashes" in line for line in lines)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in lines:
        for source in line[1:-1] if line[0] == "COPY" else []:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_the_example_of_the_settings_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = dotenv_values(PRODUCTION / "cs.env.example")
    known = {name.upper() for name in Settings.model_fields}
    assert set(values) - {"WAREHOUSE_OWNER_URL"} <= known  # that one is for `cs migrate` alone
    for name, value in values.items():
        monkeypatch.setenv(name, value or "")
    settings = load_settings(cs_home=tmp_path)
    assert settings.scheduler_enabled
    assert settings.dagster_pg_url.get_secret_value().startswith("postgresql+psycopg2://")


def test_every_variable_of_the_proxy_is_in_its_example() -> None:
    asked = set(re.findall(r"\{\$(\w+)\}", (PRODUCTION / "Caddyfile").read_text()))
    assert asked == set(dotenv_values(PRODUCTION / "proxy.env.example"))
