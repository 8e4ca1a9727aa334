"""Containers, schedulers and what they type: files parse, commands exist, paths and ports are the server's."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from adrec_cli.cli.app import app
from adrec_cli.serving.description import openapi
from adrec_cli.serving.options import Limits, ServeOptions
from tests.test_readme import EVERYTHING, ROOT, blocks

CONTAINERFILE = ROOT / ".ci/Containerfile"
PAGE = EVERYTHING["adrec_cli/serving/containers.md"]


def instructions() -> list[tuple[str, str]]:
    """Return name and arguments of each instruction of the Containerfile."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def require_parsed(words: list[str]) -> None:
    """Parse a command, and run nothing."""
    root = typer.main.get_command(app)
    assert words[0] in root.commands  # type: ignore[attr-defined]
    root.commands[words[0]].make_context(words[0], list(words[1:]))  # type: ignore[attr-defined]


def test_the_image_is_made_of_what_is_there_and_runs_without_rights():
    found = instructions()
    assert {name for name, _ in found} <= {
        "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    for name, text in found:
        if name == "COPY" and not text.startswith("--from"):
            assert all((ROOT / source).exists() for source in text.split()[:-1]), text
    users = [text for name, text in found if name == "USER"]
    assert users == ["10001"]
    assert [name for name, _ in found].index("USER") > [name for name, _ in found].index("RUN")
    (extras,) = re.findall(r"'\.\[(.*?)\]'", CONTAINERFILE.read_text())
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= set(known)


def test_the_image_serves_and_its_health_is_asked_where_it_serves():
    by_name = dict(instructions())
    assert json.loads(by_name["ENTRYPOINT"]) == ["adrec"]
    require_parsed(json.loads(by_name["CMD"]))
    assert by_name["EXPOSE"] == str(ServeOptions().port)
    assert f"127.0.0.1:{ServeOptions().port}/readyz" in by_name["HEALTHCHECK"]
    assert compile(json.loads(by_name["HEALTHCHECK"].partition("CMD")[2])[2], "health", "exec")


def documents() -> list[Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return [document for block in blocks("yaml", PAGE) for document in yaml.safe_load_all(block)]


def values_of(document: Any, name: str) -> Iterator[Any]:
    """Yield all that stands under a name, however deep."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == name:
                yield value
            yield from values_of(value, name)
    elif isinstance(document, list):
        for value in document:
            yield from values_of(value, name)


def test_what_schedulers_type_exists():
    found = documents()
    typed = [words for name in ("command", "args") for words in values_of(found, name)]
    assert sorted(words[0] for words in typed) == ["run", "run", "serve", "serve"]
    for words in typed:
        assert all(isinstance(word, str) for word in words), words
        require_parsed(words)


def test_probes_and_names_are_those_that_the_server_answers_to():
    compose, *kubernetes = documents()
    assert set(compose["services"]) == {"server", "night"}
    server = compose["services"]["server"]["command"]
    assert server[server.index("--allowed-hosts") + 1] == "server"
    probes = list(values_of(kubernetes, "httpGet"))
    assert {probe["path"] for probe in probes} == {"/readyz", "/healthz"}
    ports = {probe["port"] for probe in probes} | {port["containerPort"] for (port,) in values_of(kubernetes, "ports")}
    assert ports == {ServeOptions().port}
    assert [one["kind"] for one in kubernetes] == ["CronJob", "Deployment"]
    for names in values_of(kubernetes, "volumeMounts"):
        assert [one["name"] for one in names] == ["shop"]
    assert {one["runAsUser"] for one in values_of(kubernetes, "securityContext")} == {10001}


def test_the_dag_compiles_and_types_what_exists():
    (source,) = blocks("python", PAGE)
    typed = [
        keyword.value.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "bash_command" and isinstance(keyword.value, ast.Constant)
    ]
    assert len(typed) == 2
    for line in typed:
        words = shlex.split(line)
        assert words[0] == "adrec"
        require_parsed(words[1:])


@pytest.mark.slow
def test_the_image_is_built_where_something_builds():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "info"], capture_output=True).returncode:
        pytest.skip("nothing here builds images")
    subprocess.run([docker, "build", "-f", CONTAINERFILE, "-t", "adrec-test", ROOT], check=True)
    done = subprocess.run(
        [docker, "run", "--rm", "adrec-test", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("adrec ")


def test_a_collector_asks_where_metrics_are():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    (text,) = blocks("yaml", EVERYTHING["adrec_cli/serving/README.md"])
    # Only what OpenTelemetry's Prometheus receiver knows; without a path it asks for /metrics.
    (job,) = yaml.safe_load(text)["receivers"]["prometheus"]["config"]["scrape_configs"]
    assert job.keys() == {"job_name", "scrape_interval", "static_configs"}
    assert re.fullmatch(r"\d+s", job["scrape_interval"])
    assert job["static_configs"] == [{"targets": [f"127.0.0.1:{ServeOptions().port}"]}]
    assert "/metrics" in openapi(Limits())["paths"]
