"""What must stay light: help, version, and completion."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
import typer

from adrec_cli.cli import completion
from adrec_cli.cli.commands import COMMANDS
from tests.cli.conftest import TINY, Adrec, environment

HEAVY = ("torch", "polars", "numpy", "pyarrow", "safetensors")
SPY = """
import json, sys
from adrec_cli.cli.app import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
FORKING = """
import json, os, sys, traceback
from pathlib import Path

def command(main, arguments):
    for number in (1, 2):
        os.dup2(os.open(f"{number}", os.O_CREAT | os.O_TRUNC | os.O_WRONLY), number)
    code = 1
    try:
        main(arguments)
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        Path("loaded").write_text(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
        os._exit(code)

def type_each(main):
    done = {}
    for name, arguments in json.load(sys.stdin).items():
        child = os.fork() or command(main, arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said = Path("1").read_text() + Path("2").read_text()
        done[name] = {"code": code, "said": said, "loaded": json.loads(Path("loaded").read_text())}
    print(json.dumps(done))
"""
"""The begin of a program that reads commands by name and types each in a fork: starting Python costs far more."""
PLAIN = (
    FORKING
    + """
from adrec_cli.cli.app import main
type_each(main)
"""
)
SHOWN = ["run", "preprocess", "datasets", "pretrain", "align", "finetune", "train", "evaluate", "recommend"]


@dataclass(frozen=True)
class Forked:
    """How a command ended in a fork, what it said on both streams, and the packages that were loaded in the end."""

    code: int
    said: str
    loaded: list[str]


def type_in_forks(program: str, typed: dict[str, list[str]], folder: Path, **variables: str) -> dict[str, Forked]:
    """Type commands by name, each in a fork of one program that works in this folder."""
    env = environment(PYTHONPATH=str(Path(__file__).parents[2]), **variables)
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(typed), cwd=folder, env=env, stdout=subprocess.PIPE,
        text=True, check=True, timeout=120,
    )  # fmt: skip
    return {name: Forked(**ended) for name, ended in json.loads(done.stdout).items()}


READ_NO_DATA = [
    "--help", "--version", "train --help", "run --help", "datasets", "datasets show demo", "config --model sasrec",
]  # fmt: skip


@pytest.fixture(scope="module")
def of_no_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Forked]:
    """How the commands that read no data end."""
    return type_in_forks(PLAIN, {line: line.split() for line in READ_NO_DATA}, tmp_path_factory.mktemp("none"))


@pytest.mark.parametrize("typed", READ_NO_DATA)
def test_what_reads_no_data_loads_nothing_heavy(of_no_data: dict[str, Forked], typed: str) -> None:
    done = of_no_data[typed]
    assert done.code == 0, done.said
    assert "typer" in done.loaded
    assert not set(done.loaded) & set(HEAVY)


NAMES_NO_DATASET = {
    "align": "--dataset nothing",
    "bench": "--dataset nothing",
    "card": "nothing",
    "compare": "nothing",
    "convert": "nothing --to csv --out copies",
    "encode": "nothing",
    "evaluate": "mostpop --dataset nothing",
    "export": "item.onnx --model sasrec --dataset nothing",
    "finetune": "--dataset nothing",
    "forget": "nothing --user 1",
    "inspect": "--dataset nothing",
    "plot": "nothing",
    "pretrain": "nothing",
    "push": "nothing copies",
    "recommend": "--user 1 --dataset nothing",
    "report": "nothing",
    "rollback": "nothing --data",
    "serve": "nothing",
    "sweep": "nothing --vary steps=1",
    "train": "nothing",
    "tune": "nothing",
}
"""What else of each command that works on a data set must be typed to have it look for one that is not there."""


@pytest.fixture(scope="module")
def of_no_dataset(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Forked]:
    """How commands end that name a data set which the workspace does not have."""
    typed = {name: [name, *words.split()] for name, words in NAMES_NO_DATASET.items()}
    typed["serve --dataset"] = ["serve", "--dataset", "nothing"]
    typed["recommend --all"] = ["recommend", "--all", "--out", "recs.csv", "--dataset", "nothing"]
    return type_in_forks(PLAIN, typed, tmp_path_factory.mktemp("missing"))


@pytest.mark.parametrize("typed", [*NAMES_NO_DATASET, "serve --dataset", "recommend --all"])
def test_a_data_set_that_is_not_there_is_missed_before_anything_heavy_is_loaded(
    of_no_dataset: dict[str, Forked], typed: str
) -> None:
    done = of_no_dataset[typed]
    assert (done.code, "dataset 'nothing' is not in" in done.said) == (4, True), done.said
    # The metrics that `compare` has an option for are functions of NumPy's arrays.
    assert not set(done.loaded) & (set(HEAVY) - ({"numpy"} if typed == "compare" else set()))


def test_no_command_that_works_on_a_data_set_is_left_out() -> None:
    found = set()
    for name in COMMANDS:
        command = getattr(import_module(f"adrec_cli.cli.{name}"), name)
        hints = {} if isinstance(command, typer.Typer) else typing.get_type_hints(command, include_extras=True)
        told = [one for hint in hints.values() for one in getattr(hint, "__metadata__", ())]
        found |= {name for one in told if getattr(one, "autocompletion", None) is completion.workspace_dataset}
    assert found == set(NAMES_NO_DATASET)


def test_completion_of_presets_loads_nothing_heavy() -> None:
    env = environment(_ADREC_COMPLETE="complete_bash", COMP_WORDS="adrec train --preset rep", COMP_CWORD="3")
    done = subprocess.run([sys.executable, "-c", SPY], capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout.split() == ["report"]
    assert not set(json.loads(done.stderr.splitlines()[-1])) & set(HEAVY)


BARE = (
    "import typer; app = typer.Typer(); app.command('one')(lambda: 0); app.command('two')(lambda: 0); app(['--help'])"
)
"""The help of a program that does nothing: what Python, Typer and Rich cost on this machine."""


@pytest.mark.thorough
def test_help_costs_little_more_than_typer_itself() -> None:
    def user_seconds(*command: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, *command], capture_output=True, env=environment(), check=True)
        after = os.times()
        return after.children_user - before.children_user

    # CPU time in turns, and the best of four each: neither a slow machine nor other processes on it count.
    times = [(user_seconds("-m", "adrec_cli", "--help"), user_seconds("-c", BARE)) for _ in range(4)]
    ours, bare = (min(column) for column in zip(*times, strict=True))
    assert ours <= 3 * bare, f"{ours:.2f} s, {bare:.2f} s without adrec"


def test_help_lists_every_command(adrec: Adrec) -> None:
    shown = adrec("--help").stdout
    assert all(command in shown for command in SHOWN)


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_has_help_with_examples(adrec: Adrec, command: str) -> None:
    done = adrec(command, "--help")
    assert done.exit_code == 0
    if command != "datasets":
        assert f"$ adrec {command}" in done.stdout


def test_version(adrec: Adrec) -> None:
    assert adrec("--version").stdout.startswith("adrec ")


REFUSING = (
    FORKING
    + """
import functools, importlib
from importlib.machinery import ModuleSpec

class Refuse:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name.partition(".")[0] in REFUSED else None
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        said = f"{module.__name__} is imported"
        # Arrow goes on where an import fails.
        print("AssertionError:", said, file=sys.stderr, flush=True)
        raise AssertionError(said)

sys.meta_path.insert(0, Refuse())
for name in ("safetensors.numpy", "adrec_cli.cli.app", *LOADED):
    importlib.import_module(name)
# Typer puts all commands together for each line.
typer_main = importlib.import_module("typer.main")
typer_main.get_command = functools.cache(typer_main.get_command)
typer_main.get_command(sys.modules["adrec_cli.cli.app"].app)
type_each(sys.modules["adrec_cli.cli.app"].main)
"""
)
"""A program that cannot import the packages REFUSED, though it finds them, and has imported the modules LOADED."""
NO_TORCH = f"""
REFUSED = ("torch", "pandas")
LOADED = (
    "polars", "pyarrow.parquet", "adrec_cli.pipeline.run", "adrec_cli.pipeline.recommend",
    "adrec_cli.pipeline.convert", "adrec_cli.pipeline.clean", "adrec_cli.pipeline.rollback",
)
{REFUSING}"""
NO_TABLES = f"""
REFUSED, LOADED = ("torch", "pandas", "polars", "pyarrow"), ("adrec_cli.pipeline.run", "adrec_cli.pipeline.train")
{REFUSING}"""


def spell(lines: list[str], csv: Path, folder: Path) -> dict[str, list[str]]:
    """The words of lines by these, with files and options in place of capitals."""
    return {
        line: [
            part
            for word in line.replace("CSV", str(csv)).replace("TMP", str(folder)).split()
            for part in (TINY if word == "TINY" else [word])
        ]
        for line in lines
    }


@pytest.fixture(scope="module")
def finished(shop: Path, adrec: Adrec, csv: Path) -> Path:
    """A workspace in which everything that `run` does is done."""
    done = adrec("run", csv, "--workspace", shop, "--model", "sasrec", "--epochs", 1, *TINY)
    assert done.exit_code == 0, done.stderr
    done = adrec("run", csv, "--workspace", shop, "--epochs", 1, *TINY)
    assert done.exit_code == 0, done.stderr
    return shop


COMPUTES_NOTHING = [
    ("run CSV --epochs 1 TINY", 0, "up to date"),
    ("run CSV --model sasrec --epochs 1 TINY", 0, "up to date"),
    ("train shop --epochs 1 TINY", 0, "up to date"),
    ("pretrain shop --epochs 1 TINY", 0, "up to date"),
    ("train shop --set model.heads=3", 2, "must be"),
    ("train shop --set model.noise_schedule=none", 2, "unknown noise schedule"),
    ("run CSV --promote-if nonsense", 2, "is not understood"),
    ("run nothing.csv", 3, "nothing"),
    ("train nothing", 4, "nothing"),
    ("evaluate nothing", 4, "nothing"),
    ("evaluate mostpop --dataset nothing", 4, "nothing"),
    ("evaluate finetune --sampler euler", 2, "unknown sampler"),
    ("recommend --user 1 --dataset nothing", 4, "nothing"),
    ("recommend --user 1 --model nothing", 4, "nothing"),
    ("recommend --user 1 --bla", 2, "--bla"),
    ("recommend", 2, "--user"),
    ("status", 0, "shop"),
    ("datasets", 0, "demo"),
    ("datasets show demo", 0, "demo"),
    ("config", 0, "dropout"),
    ("config --model sasrec model", 0, "dropout"),
    ("clean --dry-run", 0, ""),
    ("rollback shop", 4, ""),
    ("convert shop --to csv --out TMP/out", 0, ""),
]


COMPUTES = "evaluate mostpop --dataset shop"


@pytest.fixture(scope="module")
def done_without_pytorch(finished: Path, csv: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Forked]:
    """How each command ended."""
    folder = tmp_path_factory.mktemp("without")
    typed = spell([COMPUTES, *(line for line, _, _ in COMPUTES_NOTHING)], csv, folder)
    return type_in_forks(NO_TORCH, typed, folder, ADREC_WORKSPACE=str(finished))


@pytest.mark.parametrize(("typed", "code", "said"), COMPUTES_NOTHING)
def test_what_computes_nothing_does_without_pytorch(done_without_pytorch, typed, code, said):
    done = done_without_pytorch[typed]
    assert "AssertionError" not in done.said
    assert (done.code, said in done.said) == (code, True), done.said


def test_the_program_without_pytorch_notices_its_import(done_without_pytorch):
    assert "torch is imported" in done_without_pytorch[COMPUTES].said


READS_NO_TABLE = [
    ("run CSV --epochs 1 TINY", 0, "up to date"),
    ("run CSV --model sasrec --epochs 1 TINY", 0, "up to date"),
    ("run shop --epochs 1 TINY", 0, "up to date"),
    ("run shop --inbox TMP --epochs 1 TINY", 0, "0 files taken"),
    ("run nothing.csv", 3, "nothing"),
    ("preprocess CSV", 0, "up to date"),
    ("preprocess CSV --where event", 2, "is not a condition"),
    ("train shop --epochs 1 TINY", 0, "up to date"),
    ("train shop --model sasrec --epochs 1 TINY", 0, "up to date"),
    ("pretrain shop --epochs 1 TINY", 0, "up to date"),
    ("train nothing", 4, "nothing"),
    ("evaluate nothing", 4, "nothing"),
    ("status", 0, "shop"),
    ("clean --dry-run", 0, ""),
]


@pytest.fixture(scope="module")
def done_without_tables(finished: Path, csv: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Forked]:
    """How each command ended."""
    folder = tmp_path_factory.mktemp("without")
    typed = spell(["convert shop --to csv --out TMP/out", *(line for line, _, _ in READS_NO_TABLE)], csv, folder)
    return type_in_forks(NO_TABLES, typed, folder, ADREC_WORKSPACE=str(finished))


@pytest.mark.thorough
@pytest.mark.parametrize(("typed", "code", "said"), READS_NO_TABLE)
def test_what_is_up_to_date_is_decided_without_a_table(done_without_tables, typed, code, said):
    done = done_without_tables[typed]
    assert "AssertionError" not in done.said
    assert (done.code, said in done.said) == (code, True), done.said
    assert not {"polars", "pyarrow"} & set(done.loaded)


@pytest.mark.thorough
def test_the_program_without_tables_notices_their_import(done_without_tables):
    assert "polars is imported" in done_without_tables["convert shop --to csv --out TMP/out"].said
