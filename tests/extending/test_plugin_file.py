"""What a plugin file may be, what it may add, and what of it counts as its code."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from adrec_cli.errors import AdrecError, UsageError
from adrec_cli.extending.in_use import list_loaded_plugins
from adrec_cli.extending.plugin import read_plugin
from adrec_cli.loading.plugins import load_plugin, plugins
from adrec_cli.models.registry import MODELS, find_model, list_trainable
from adrec_cli.models.stages import SAMPLED_LOSSES, ranking_losses
from adrec_cli.ranking.metrics import METRICS, metric_names, metric_of_users
from tests.extending.conftest import SOURCE

METRIC = "METRICS = {'first': lambda ranks, k: (ranks == 1).astype(float)}\n"
LOSS = """
import torch
def softplus(positive_N, negative_NK, counted_N, options, items):
    per_token_N = torch.nn.functional.softplus(negative_NK - positive_N[:, None]).sum(1)
    return {mean}
LOSSES = {{"softplus": softplus}}
"""
MODEL = SOURCE[: SOURCE.index("MODELS = ")]


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refused(folder: Path, text: str) -> str:
    """Return what is said of a plugin file that is not taken; none of it stays in use."""
    with pytest.raises(UsageError) as raised, plugins([write(folder, text)]):
        pass
    assert list_loaded_plugins() == ()
    assert raised.value.hint
    return raised.value.message


def test_what_it_adds_is_there_while_it_is_in_use(my_model: Path) -> None:
    names = (list(MODELS), ranking_losses(), metric_names())
    with plugins([my_model]):
        assert (list_trainable()[-1], find_model("markov").title) == ("markov", "Markov chain")
        assert ranking_losses() == (*names[1], "hinge")
        assert "rbp@20" in metric_names()
        assert len(MODELS) == len(names[0]) + 1
        ranks, users = np.array([1, 3, 60]), np.array([0, 0, 1])
        assert metric_of_users(ranks, users, "rbp@10").tolist() == pytest.approx([(1 + 0.8**2) / 2, 0])
    assert (list(MODELS), ranking_losses(), metric_names()) == names
    with pytest.raises(UsageError, match="unknown model 'markov'"):
        find_model("markov")


def test_where_things_come_from(my_model: Path) -> None:
    with plugins([my_model]):
        origin = MODELS.origin_of("markov")
        assert origin is not None
        assert (origin.name, len(origin.sha256)) == ("my_model.py", 64)
        assert METRICS.origin_of("rbp") == SAMPLED_LOSSES.origin_of("hinge") == origin
        assert MODELS.origin_of("sasrec") is MODELS.origin_of("nobody") is METRICS.origin_of("ndcg") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "adds nothing"),
        ("MODELS = {}", "adds nothing"),
        ("METRICS = {'first': len}\nModels = {}", "has a dictionary Models, which nothing reads"),
        ("METRIC = {'first': len}", "has a dictionary METRIC, which nothing reads"),
        ("DATASETS = {}\nCALBACKS = {}", "has a dictionary CALBACKS, which nothing reads"),
        ("METRICS = ['first']", "METRICS of plugin mine.py must be a dictionary"),
        ("METRICS = {1: len}", "METRICS of plugin mine.py must be a dictionary"),
        ("x = (", "is not Python"),
        ("raise RuntimeError('no licence')", "fails: RuntimeError: no licence"),
        ("import nowhere_to_be_found", "fails: ModuleNotFoundError"),
        ("raise SystemExit(0)", "fails: SystemExit"),
        ("METRICS = {'ndcg': len}", "adds the metric 'ndcg', which adrec has already"),
        ("MODELS = {'adrec': int}", "adds the model 'adrec', which adrec has already"),
        ("METRICS = {'Hit Rate': len}", "'Hit Rate', which is not a valid name"),
        ("METRICS = {'../first': len}", "'../first', which is not a valid name"),
        ("METRICS = {'first': 3}", "mine.py: metric 'first' is not a function"),
        ("METRICS = {'first': lambda ranks: ranks}", "metric 'first' fails on 4 ranks: TypeError"),
        ("METRICS = {'first': lambda ranks, k: ranks.mean()}", "does not give one finite value for each rank"),
        ("METRICS = {'first': lambda ranks, k: ranks / 0.0}", "does not give one finite value for each rank"),
        ("METRICS = {'first': lambda ranks, k: ranks.__isub__(1) < k}", "metric 'first' fails on 4 ranks: ValueError"),
        ("METRICS = {'first': lambda ranks, k: 1 - ranks / ranks.max()}", "another value where other ranks stand"),
        ("LOSSES = {'mine': 3}", "loss 'mine' is not a function"),
        ("LOSSES = {'mine': lambda a, b: a}", "loss 'mine' fails on six tokens"),
        (LOSS.format(mean="per_token_N.mean()"), "loss 'softplus' counts tokens that counted_N leaves out"),
        (LOSS.format(mean="per_token_N"), "loss 'softplus' gives no finite number"),
        (LOSS.format(mean="per_token_N.mean().detach()"), "loss 'softplus' gives no finite number"),
        (LOSS.format(mean="per_token_N.mean() * torch.nan"), "loss 'softplus' gives no finite number"),
        ("MODELS = {'mine': 3}", "'mine' is not a subclass of SequentialRecommender"),
        (f"{MODEL}\nMODELS = {{'chain': Markov}}", "model 'chain' is called 'markov' in its class"),
        (f"{MODEL}\nclass M(Markov): name = 'reports'\nMODELS = {{'reports': M}}", "model 'reports' is called"),
        (f"{MODEL}\nclass M(Markov): config_type = 3\nMODELS = {{'markov': M}}", "is not a dataclass"),
        (f"{MODEL}\nclass M(Markov): stages = {{}}\nMODELS = {{'markov': M}}", "are not a table of Stage"),
        (f"{MODEL}\nclass M(Markov): outputs = ('x',)\nMODELS = {{'markov': M}}", "trains output 'next_item'"),
        (
            f"{MODEL}\nclass M(Markov):\n  def components(self): return {{'all': self}}\nMODELS = {{'markov': M}}",
            "trains encoder, item_embedding",
        ),
        (
            f"{MODEL}\nclass M(NextItemRecommender): name, title, config_type, stages = "
            "'m', 'M', MarkovConfig, Markov.stages\nMODELS = {'m': M}",
            "does not have components, hidden_RLD, initialize",
        ),
        (f"{MODEL}\nclass M(NextItemRecommender): name = 'm'\nMODELS = {{'m': M}}", "does not say its title"),
        ("DATASETS = {'mine': 3}", "is not the path of mine.toml"),
        ("DATASETS = {'mine': 'other.toml'}", "is not the path of mine.toml"),
        ("DATASETS = {'demo': 'demo.toml'}", "adrec has a data set named demo already"),
        ("DATASETS = {'mine': 'nowhere/mine.toml'}", "nowhere/mine.toml"),
    ],
)  # fmt: skip
def test_what_is_not_taken(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.py", tmp_path):
        with pytest.raises(UsageError, match="is not there"), plugins([path]):
            pass


def test_two_that_add_the_same_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path, METRIC, "one.py"), write(tmp_path, METRIC.replace("== 1", "<= 1"), "two.py")]
    with pytest.raises(UsageError, match=r"'first' is added by .*one\.py and by .*two\.py"), plugins(paths):
        pass


def test_the_same_file_twice_is_once(tmp_path: Path) -> None:
    once = f"import os; os.mkdir({str(tmp_path / 'ran')!r})"
    path = write(tmp_path, f"{once}\n{METRIC}")
    with plugins([path, path]), plugins([path]):
        assert METRICS["first"](np.array([1, 2]), 5).tolist() == [1, 0]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.py", "ran"], "nothing compiled is left behind"


def test_what_counts_as_its_code(tmp_path: Path) -> None:
    def sha256(text: str, name: str = "mine.py") -> str:
        return read_plugin(write(tmp_path, text, name)).origin.sha256

    first = sha256(METRIC)
    assert sha256(METRIC, "other.py") == first, "not what the file is called"
    assert sha256(f'"""About."""\n\n# Why.\n{METRIC}') == first
    assert sha256(METRIC.replace("== 1", "== 2")) != first


def test_modules_beside_it_count_as_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "its_package"
    package.mkdir()
    write(package, "", "__init__.py")
    deep = write(package, "BEST = 1", "deep.py")
    write(tmp_path, "from its_package.deep import BEST", "its_layers.py")
    write(tmp_path, "ANYTHING = 1", "its_stranger.py")

    def sha256() -> str:
        return read_plugin(write(tmp_path, f"from its_layers import BEST\nimport numpy\n{METRIC}")).origin.sha256

    first = sha256()
    write(tmp_path, "ANYTHING = 2", "its_stranger.py")
    assert sha256() == first
    deep.write_text("BEST = 2")
    assert sha256() != first


BESIDE = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent))\n"
LAYOUTS = {
    "a module": ("import own_module", "own_module.py"),
    "a package": ("from own_package.deep import BEST", "own_package/deep.py", "own_package/__init__.py"),
    "a folder": ("from own_folder import deep", "own_folder/deep.py"),
    "a folder in a folder": ("import own_tree.inner.deep", "own_tree/inner/deep.py"),
    "what a module imports": ("import own_first", "own_second.py", "own_first.py"),
    "what a function imports": ("def late():\n    import own_late", "own_late.py"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_modules_count_that_python_finds_only_once_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: tuple[str, ...]
) -> None:
    """A plugin that puts its own folder on `sys.path` has the same hash before and after."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    imports, deepest, *above = layout

    def plugin(name: str, best: int) -> Path:
        for file, text in [(deepest, f"BEST = {best}"), *((file, "import own_second") for file in above)]:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            write(tmp_path / name, text if "__init__" not in file else "", file)
        return write(tmp_path / name, f"{BESIDE}{imports}\n{METRIC}")

    first, other, copy = (plugin(name, best) for name, best in [("first", 1), ("other", 2), ("copy", 1)])
    sha256 = read_plugin(first).origin.sha256
    assert read_plugin(first).origin.sha256 == sha256, "its folder is now on sys.path"
    assert read_plugin(other).origin.sha256 != sha256
    assert read_plugin(copy).origin.sha256 == sha256


def test_folders_that_are_only_called_like_what_it_imports_do_not_count(tmp_path: Path) -> None:
    path = write(tmp_path, f"import numpy\nfrom torch import nn\n{METRIC}")
    first = read_plugin(path).origin.sha256
    for name in ("numpy", "torch"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "RUN = 1", "saved.py")
    assert read_plugin(path).origin.sha256 == first


def test_what_is_used_is_what_was_tried(tmp_path: Path) -> None:
    """Though the file is another one by the time it has been tried."""
    changes_itself = f"""
from pathlib import Path
def first(ranks, k):
    Path({str(tmp_path / "mine.py")!r}).write_text("METRICS = {{'first': 3}}")
    return (ranks == 1).astype(float)
METRICS = {{'first': first}}
"""
    path = write(tmp_path, changes_itself)
    load_plugin(path)
    assert METRICS["first"](np.array([1, 2]), 5).tolist() == [1, 0]
    assert path.read_text() != changes_itself
    with plugins(
        [
            write(
                tmp_path,
                LOSS.format(
                    mean="per_token_N.mean() if counted_N is None else "
                    "(per_token_N * counted_N).sum() / counted_N.sum()"
                ),
            )
        ]
    ) as tried:
        assert list_loaded_plugins()[-1:] == tried


def test_a_module_beside_it_that_cannot_be_read_is_an_error_of_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **_: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    write(tmp_path, "BEST = 1", "own_secret.py")
    path = write(tmp_path, f"import own_secret\n{METRIC}")
    monkeypatch.setattr(Path, "read_text", fail)
    with (
        pytest.raises(AdrecError, match=r"own_secret\.py, which plugin .*mine\.py imports: Perm") as raised,
        plugins([path]),
    ):
        pass
    assert raised.value.exit_code == 7


def test_a_broken_file_leaves_no_module_behind(tmp_path: Path) -> None:
    refused(tmp_path, "x = 1 / 0")
    with plugins([write(tmp_path, METRIC)]):
        assert "first" in METRICS


def test_one_that_cannot_be_read_is_an_error_of_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    path = write(tmp_path, METRIC)
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(AdrecError, match="could not read plugin") as raised, plugins([path]):
        pass
    assert raised.value.exit_code == 7
