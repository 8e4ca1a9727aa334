"""What commands print: tables, plain lines, JSON; and that data cannot act on a terminal."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from adrec_cli.artifacts.harmless_text import harmless
from tests.cli.conftest import TINY, Adrec, environment


def rows(stdout: str) -> list[list[str]]:
    return [line.split("\t") for line in stdout.splitlines()]


@pytest.mark.parametrize(
    "arguments",
    [
        ["datasets"],
        ["datasets", "show", "grocery"],
        ["preprocess", "CSV", "--dry-run"],
        ["preprocess", "CSV", "--name", "again"],
        ["pretrain", "shop", "--epochs", "1", *TINY],
        ["align", "--epochs", "1", "--threads", "1"],
        ["finetune", "--from", "align", "--epochs", "1", "--threads", "1"],
        ["train", "shop", "--epochs", "1", *TINY],
        ["evaluate", "finetune", "--negatives", "5"],
        ["evaluate", "mostpop", "--dataset", "shop", "--part", "valid"],
        ["evaluate", "mostpop", "--dataset", "shop", "--beyond-accuracy", "--slices"],
        ["recommend", "--user", "u00", "--dataset", "shop"],
        ["inspect", "finetune", "pretrain", "--dataset", "shop", "--item", "i00"],
    ],
)
def test_json_is_one_document(adrec: Adrec, shop: Path, csv: Path, arguments: list[str]) -> None:
    typed = [str(csv) if argument == "CSV" else argument for argument in arguments]
    done = adrec(*typed, "--workspace", shop, "--json")
    assert done.exit_code == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


def test_run_prints_one_summary_and_does_nothing_twice(adrec: Adrec, csv: Path, tmp_path: Path) -> None:
    flags = ["run", csv, "--workspace", tmp_path, "--epochs", 1, *TINY]
    first = adrec(*flags)
    assert first.exit_code == 0, first.stderr
    steps = rows(first.stdout)[1:7]
    assert [step[:2] for step in steps] == [
        ["preprocess", "done"], ["pretrain", "done"], ["align", "done"], ["finetune", "done"], ["evaluate", "done"],
        ["promote", "done"],
    ]  # fmt: skip
    assert ["metric", "adrec", "MostPopular"] in rows(first.stdout)
    second = adrec(*flags, "--json")
    assert {step["status"] for step in json.loads(second.stdout)["steps"]} == {"up to date"}
    assert "--force" in second.stderr
    current = adrec("recommend", "--user", "u00", "--workspace", tmp_path)
    assert "promoted" not in current.stderr


def test_preprocess_prints_statistics(adrec: Adrec, csv: Path, tmp_path: Path) -> None:
    shown = rows(adrec("preprocess", csv, "--workspace", tmp_path).stdout)
    assert ["users", "40"] in shown
    assert ["items", "12"] in shown
    assert ["interactions", "320"] in shown
    filtered = adrec("preprocess", csv, "--workspace", tmp_path, "--max-length", 5)
    assert ["max length", "120", "0", "0"] in rows(filtered.stdout)
    again = adrec("preprocess", csv, "--workspace", tmp_path, "--max-length", 5)
    assert "up to date" in again.stderr
    assert "--force" in again.stderr


def test_a_count_that_differs_from_the_published_one_is_a_warning(adrec: Adrec, csv: Path, tmp_path: Path) -> None:
    raw = tmp_path / "grocery"
    raw.mkdir()
    lines = csv.read_text().splitlines()
    for name, part in (("train", lines[1:200]), ("dev", lines[200:250]), ("test", lines[250:])):
        # Tabs, as ReChorus publishes them, whatever the files are called.
        (raw / f"{name}.csv").write_text("\n".join(["user_id,item_id,time", *part]).replace(",", "\t") + "\n")
    done = adrec("preprocess", "grocery", "--raw", tmp_path, "--workspace", tmp_path / "workspace")
    assert done.exit_code == 0, done.stderr
    assert "warning: users: 40, expected 14,681" in done.stderr


def test_training_tells_one_row_an_epoch(adrec: Adrec, shop: Path) -> None:
    done = adrec("pretrain", "shop", "--workspace", shop, "--epochs", 2, "--seed", 5, *TINY)
    epochs = [line for line in done.stderr.splitlines() if "ndcg@10" in line]
    assert [line.split()[:2] for line in epochs] == [["pretrain", "1/2"], ["pretrain", "2/2"]]
    assert "*" in epochs[0]
    assert done.stderr.count("a row per epoch: ") == 1
    assert adrec("pretrain", "shop", "--workspace", shop, "--epochs", 3, *TINY, "--quiet").stderr == ""


def test_a_skipped_stage_says_how_to_force_it(adrec: Adrec, shop: Path) -> None:
    flags = ["pretrain", "shop", "--workspace", shop, "--epochs", 1, *TINY]
    adrec(*flags)
    again = adrec(*flags)
    assert "pretrain is up to date; --force trains it again" in again.stderr
    assert "up to date" in again.stdout
    assert "up to date" not in adrec(*flags, "--force").stdout


def test_evaluate_says_what_the_figures_stand_on(adrec: Adrec, shop: Path) -> None:
    done = adrec("evaluate", "finetune", "--workspace", shop, "--steps", 2)
    assert rows(done.stdout)[0] == ["metric", "@5", "@10", "@20", "@50"]
    assert [row[0] for row in rows(done.stdout)[1:4]] == ["HR", "NDCG", "MRR"]
    for text in (
        "loo/full/test",
        "seen items are not masked",
        "2 reverse steps",
        "40 users",
        "adrec-finetune-loo-full",
    ):
        assert text in done.stdout


def test_recommend_shows_ranks_ids_and_harmless_titles(adrec: Adrec, shop: Path) -> None:
    flags = ["--workspace", shop, "--dataset", "shop", "--include-seen", "-k", 12]
    done = adrec("recommend", "--user", "u00", "--history", 'i01, "i02",nope', *flags)
    assert done.exit_code == 0, done.stderr
    shown = rows(done.stdout)
    assert shown[0] == ["for", "rank", "item", "title", "score"]
    assert {row[0] for row in shown[1:]} == {"user u00", "history i01,i02"}
    titles = {row[2]: row[3] for row in shown[1:]}
    assert titles["i00"] == "[bold]Tea[/bold]"
    assert titles["i01"] == "Crème brûlée"
    assert titles["i02"] == "beep\\x07"
    assert titles["i03"] == "\\u202eevil"
    assert "unknown items are left out: nope" in done.stderr
    assert "no promoted" in done.stderr


BOTH_WAYS = """
import sys
from adrec_cli.cli.app import main
for words in (sys.argv[1:], [*sys.argv[1:], "--json"]):
    try:
        main(words)
    except SystemExit as ended:
        assert not ended.code
    print("behind it", flush=True)
"""
"""One interpreter for both: starting one costs more than all else."""


def test_plain_output_has_no_escape_and_survives_any_locale(shop: Path) -> None:
    env = environment(PYTHONIOENCODING="ascii", LC_ALL="C", TERM="dumb", COLUMNS="40")
    line = ["recommend", "--user", "u00", "--workspace", shop, "--dataset", "shop", "--include-seen", "-k", "12"]
    command = [sys.executable, "-c", BOTH_WAYS, *map(str, line)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    plain, document, _ = done.stdout.split("behind it\n")
    assert "Cr\\xe8me" in plain
    parsed = json.loads(document)
    assert "Crème brûlée" in {item["title"] for item in parsed["results"][0]["items"]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 👩‍💻", "plain ü 👩‍💻"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\tb\nc", "a\\tb\\nc"),
        ("\u2066x\u2028", "\\u2066x\\u2028"),
        ("\udc80", "\\udc80"),
        ("\x85", "\\x85"),
    ],
)
def test_harmless(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_evaluate_shows_slices_and_what_lists_are_like(adrec: Adrec, shop: Path) -> None:
    done = adrec("evaluate", "mostpop", "--dataset", "shop", "--workspace", shop, "--slices", "--beyond-accuracy")
    shown = rows(done.stdout)
    names = [row[0] for row in shown]
    start = names.index("slice")
    assert names[start + 1 : start + 9] == ["head", "tail", "long", "short", "warm", "cold", "repeat", "explore"]
    assert shown[start + 6][1:] == ["0", "-", "-"], "no target is cold"
    assert ["lists", "@5", "@10", "@20", "@50"] in shown
    assert {"coverage", "gini", "novelty", "popularity", "popularity lift"} <= set(names)
    assert "no categories are known" in done.stdout
    plain = adrec("evaluate", "mostpop", "--dataset", "shop", "--workspace", shop).stdout
    assert "slice" not in plain
    assert "95% intervals: NDCG@10" in plain
    refused = adrec(
        "evaluate", "mostpop", "--dataset", "shop", "--workspace", shop, "--beyond-accuracy", "--negatives", 9
    )
    assert (refused.exit_code, "leave out --negatives" in refused.stderr) == (2, True)


def test_a_training_of_several_stages_explains_its_rows_once(adrec: Adrec, shop: Path) -> None:
    done = adrec("train", "shop", "--workspace", shop, "--epochs", 1, "--seed", 6, *TINY)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("trains ") == 3
    assert done.stderr.count("a row per epoch: ") == 1


@pytest.mark.thorough
def test_the_demo_ends_with_what_its_figures_mean_and_two_commands(adrec: Adrec, tmp_path: Path) -> None:
    flags = ["run", "demo", "-w", tmp_path, "--model", "sasrec", "--epochs", 1, *TINY]
    done = adrec(*flags)
    assert done.exit_code == 0, done.stderr
    meaning, first, second = done.stdout.splitlines()[-3:]
    figures = json.loads(adrec(*flags, "--json").stdout)
    ours, popular = (figures[of]["metrics"]["hr@10"] for of in ("evaluation", "baseline"))
    assert f"For {ours:.0%} of users" in meaning
    assert f"for {popular:.0%}" in meaning
    for line in (first, second):
        typed = shlex.split(line, comments=True)
        again = adrec(*typed[1:])
        assert again.exit_code == 0, again.stderr
