"""The files for trying Kench in containers name settings, ports, paths and commands that exist."""

import ast
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from kench.cli import ROOTS
from kench.pool.settings import Settings
from kench.pool.settings_file import read_settings
from kench.up.site import STOP_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KENCH: dict[str, Any] = COMPOSE["services"]["kench"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
STAGES = [part.splitlines() for part in re.split(r"(?m)^FROM ", DOCKERFILE)[1:]]
FOLDER = "/opt/kench"


def of(stage: int, word: str) -> list[str]:
    """What stands behind each `word` of a stage."""
    return [line.partition(" ")[2].strip() for line in STAGES[stage] if line.split()[:1] == [word]]


def packages(stage: int) -> set[str]:
    """What a stage installs."""
    (command,) = (one for one in of(stage, "RUN") if "apt-get install" in one)
    words = re.search(r"apt-get install ([^&]+)", command)
    assert words
    return {word for word in words[1].split() if not word.startswith("-")}


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)s", text)
    assert found
    return float(found[1])


def test_each_variable_is_a_setting_and_they_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KENCH["environment"].items():
        assert name.removeprefix("KENCH_").lower() in Settings.model_fields, name
        monkeypatch.setenv(name, value)
    settings = read_settings()
    # A browser sends this name, and forms are taken from nowhere else.
    assert settings.cabinet_origin == "http://localhost:8080"


def test_ports_are_those_that_the_parts_open_and_only_this_machine_reaches_them() -> None:
    defaults = Settings.model_fields
    opened = {defaults[name].default for name in ("stratum_port", "cabinet_port", "metrics_port")}
    assert {int(port) for port in of(1, "EXPOSE")[0].split()} == opened
    for service in COMPOSE["services"].values():
        for port in service["ports"]:
            host, outside, inside = port.split(":")
            assert (host, outside) == ("127.0.0.1", inside)
    assert {int(port.split(":")[2]) for port in KENCH["ports"]} < opened
    (check,) = (code for code in KENCH["healthcheck"]["test"] if "import" in code)
    ast.parse(check)
    (url,) = (urlsplit(one) for one in re.findall(r"'(http[^']+)'", check))
    assert (url.port, url.path) == (defaults["metrics_port"].default, "/healthz")


def test_prometheus_asks_kench_by_its_name_and_reads_the_shipped_rules() -> None:
    beside = COMPOSE["services"]["prometheus"]
    asks = yaml.safe_load((DEPLOY / "prometheus/trying.yml").read_text())
    (job,) = asks["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert target == f"kench:{Settings.model_fields['metrics_port'].default}"
    mounted = dict(one.split(":")[:2] for one in beside["volumes"])
    assert all((DEPLOY / source).is_file() for source in mounted)
    (rules,) = asks["rule_files"]
    assert f"/etc/prometheus/{rules}" in mounted.values()


def test_the_image_is_built_of_this_tree_and_runs_what_make_builds() -> None:
    build = KENCH["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).read_text() == (DEPLOY / "Dockerfile").read_text()
    assert of(0, "WORKDIR") == [FOLDER]
    assert of(0, "COPY") == [f". {FOLDER}"]
    assert "make build" in of(0, "RUN")
    assert of(1, "COPY") == [f"--from=build {FOLDER} {FOLDER}"]
    assert json.loads(of(1, "ENTRYPOINT")[0]) == [f"{FOLDER}/.venv/bin/kench"]
    assert {stage[0].split()[0] for stage in STAGES} == {"debian:12-slim"}


def test_it_runs_a_role_that_exists_in_the_folder_that_is_kept() -> None:
    role, flag, folder = json.loads(of(1, "CMD")[0])
    assert (role in ROOTS, flag) == (True, "--data")
    assert of(1, "VOLUME") == [folder]
    assert KENCH["volumes"] == [f"{next(iter(COMPOSE['volumes']))}:{folder}"]
    (user,) = of(1, "USER")
    (made,) = (shlex.split(one) for run in of(1, "RUN") for one in run.split("&&")
               if "useradd" in one)  # fmt: skip
    # The only folder that can be written to is the user's own.
    assert (made[-1], made[made.index("--home-dir") + 1]) == (user, folder)
    assert seconds(KENCH["stop_grace_period"]) > max(STOP_S.values())


def test_the_image_has_what_the_build_asks_for_and_what_it_runs_on() -> None:
    tools = (DEPLOY / "build-tools").read_text()
    asked = set(re.findall(r"apt-get install ([a-z][^;\"]*)", tools))
    needed = {one for words in asked for one in words.split(",")[0].split()}
    assert needed <= packages(0)
    shown = {one for one in packages(0) if one.startswith(("libpango", "fonts-"))}
    assert shown | {"python3", "tzdata", "openssl"} <= packages(1)


def test_nothing_of_this_machine_goes_into_the_image() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert {".git", ".venv", "build", "data", "**/*.so", "**/node_modules"} <= set(ignored)


def test_compose_understands_the_file(tmp_path: Path) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("no docker-compose: apt-get install --no-install-recommends docker-compose")
    said = subprocess.run(
        [compose, "-f", str(DEPLOY / "compose.yaml"), "config"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert yaml.safe_load(said.stdout)["services"].keys() == COMPOSE["services"].keys()
