"""The README is true: its commands exist with all their flags, its configuration composes, its tree is there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from adrec_cli.cli.app import app
from adrec_cli.config import parse_settings
from adrec_cli.diffusion.schedules import SCHEDULES
from adrec_cli.errors import ExitCode
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.adrec import ADRec

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EVERYTHING = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [
        ROOT / "README.md",
        *sorted(p for part in ("adrec_cli", "datasets", "tests") for p in (ROOT / part).rglob("*.md")),
    ]
}
"""README and the pages beside what they describe, by path."""
NIGHTS, PRESETS = EVERYTHING["adrec_cli/promotion/README.md"], EVERYTHING["adrec_cli/presets/README.md"]
PACKAGE, API = EVERYTHING["adrec_cli/README.md"], EVERYTHING["adrec_cli/api/README.md"]


def blocks(language: str, page: str = README) -> list[str]:
    """Return the fenced blocks of a language; those without a language for ""."""
    # All fences are matched in turn, or the end of one block would pass for the beginning of another.
    return [text for found, text in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S) if found == language]


def commands() -> list[list[str]]:
    """Return the arguments of every `adrec ...` in the fenced blocks that show commands."""
    lines = [
        line
        for page in EVERYTHING.values()
        for language in ("sh", "crontab")
        for block in blocks(language, page)
        for line in block.replace("\\\n", " ").splitlines()
    ]
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|\||\|", line)]
    typed = [shlex.split(part, comments=True) for part in parts if re.match(r"(\S*/)?adrec ", part)]
    return [words[1:] for words in typed]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 250


def test_the_pages_show_every_command() -> None:
    root = typer.main.get_command(app)
    assert {words[0] for words in commands()} >= set(root.commands) - {"datasets"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_exists_with_its_flags(words: list[str]) -> None:
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]  # type: ignore[attr-defined]
    assert command.name != "adrec", f"no such command: {words[0]}"
    # Parses all arguments and runs nothing.
    command.make_context(command.name, list(words))


def test_the_table_of_variants_is_true() -> None:
    rows = re.findall(r"^\| `((?:model|stages)\.\S+)` \| (.*?) \|", PRESETS, re.M)
    assert len(rows) > 10
    for key, cell in rows:
        values = re.findall(r"`(.+?)`", cell)
        default = compose("adrec").tables()
        assert compose("adrec", overrides=parse_settings([f"{key}={values[0]}"])).tables() == default, key
        for value in values[1:]:
            others = ["model.condition_dropout=0.1"] if key == "model.guidance" else []
            composed = compose("adrec", overrides=parse_settings([*others, f"{key}={value}"]))
            assert composed.tables() != default, f"{key}={value}"
        if key == "model.noise_schedule":
            assert set(values) == set(SCHEDULES)


def test_the_ablations_and_their_presets_are_named() -> None:
    for ablation, preset in ADRec.ablations.items():
        assert f"`{ablation}`" in PRESETS
        assert f"`{preset}`" in PRESETS


def test_the_configuration_composes(tmp_path: Path) -> None:
    (text,) = blocks("toml", PRESETS)
    path = tmp_path / "my.toml"
    path.write_text(text)
    composed = compose("adrec", config=path)
    assert composed.training.seed == 7
    assert composed.model.noise_schedule == "linear", "the preset counts"
    assert composed.stages["pretrain"].epochs == 30, "the file lies over its preset"


@pytest.mark.parametrize("text", [*blocks("python", PACKAGE), *blocks("python", API)])
def test_the_python_examples_are_sound(text: str) -> None:
    compile(text, "README.md", "exec")
    for module, names in re.findall(r"^from (adrec_cli\S*) import (.+)$", text, re.M):
        imported = __import__(module, fromlist=["_"])
        assert all(hasattr(imported, name.strip()) for name in names.split(","))


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", README, re.M) for code in cell.split(",")}
    assert documented >= {int(code) for code in ExitCode}


def test_the_source_tree_is_there() -> None:
    tree = next(block for block in blocks("", PACKAGE) if block.startswith("adrec_cli/"))
    folders: list[str] = []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folders = [*folders[:depth], name]
        assert ROOT.joinpath(*folders).exists(), "/".join(folders)
    packages = {path.name for path in (ROOT / "adrec_cli").iterdir() if (path / "__init__.py").is_file()}
    assert packages <= set(re.findall(r"^  (\w+)/", tree, re.M))


@pytest.mark.parametrize("page", EVERYTHING)
def test_links_lead_somewhere(page: str) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", EVERYTHING[page]):
        path = (ROOT / page).parent.joinpath(target) if target else ROOT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{target}#{anchor}"


def anchors(page: str) -> list[str]:
    """Return what the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def benchmarks() -> list[list[str]]:
    """Return module and arguments of every `python -m tests...` of the pages."""
    lines = [
        line
        for page in EVERYTHING.values()
        for block in blocks("sh", page)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("python -m tests.")
    ]
    return [shlex.split(line, comments=True)[2:] for line in lines]


@pytest.mark.parametrize("words", benchmarks(), ids=" ".join)
def test_every_benchmark_exists_with_its_flags(words: list[str]) -> None:
    path = ROOT.joinpath(*words[0].split("."))
    source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    for word in words[1:]:
        assert not word.startswith("--") or f'"{word}"' in source, word
        assert not word.startswith("tests/") or (ROOT / word).exists(), word


def test_the_pages_name_trials_that_are_listed() -> None:
    lists = [path.read_text() for path in (ROOT / "tests/benchmarks").glob("accuracy_*.toml")]
    for words in benchmarks():
        for name in words[words.index("--only") + 1 :] if "--only" in words else []:
            if name.startswith("--"):
                break
            assert any(f'name = "{name}"' in text for text in lists), name


def test_the_readme_leads_to_every_page() -> None:
    """By a link of its own or of a page it links to."""
    reached, left = set(), ["README.md"]
    while left:
        page = left.pop()
        if page in reached or page not in EVERYTHING:
            continue
        reached.add(page)
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", EVERYTHING[page]):
            left.append(os.path.relpath((ROOT / page).parent.joinpath(target).resolve(), ROOT))
    assert reached == set(EVERYTHING)


@pytest.mark.slow
def test_the_quick_start_in_a_fresh_environment(tmp_path: Path) -> None:
    """The two commands as they stand, in a copy of the source tree; of the tests only some quick ones."""
    checkout = tmp_path / "adrec"
    ignored = shutil.ignore_patterns(".*", "workspace", "__pycache__", "dist", "build")
    shutil.copytree(ROOT, checkout, ignore=ignored)
    own = ("ADREC_", "PYTHON", "VIRTUAL")
    env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env["PYTEST_ADDOPTS"] = "-p no:cacheprovider tests/cli/test_startup.py tests/test_readme.py"
    first, second = (line for block in blocks("sh")[:2] for line in block.splitlines())
    for part in [*first.split(" && "), *second.split(" && "), *blocks("sh")[2].splitlines()]:
        done = subprocess.run(shlex.split(part), cwd=checkout, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{part}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
