"""Search spaces in files: the same for several models, and possible for each."""

from __future__ import annotations

import itertools

import pytest

from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose
from adrec_cli.models.registry import list_trainable
from adrec_cli.sweeping.search_space import search_space
from adrec_cli.sweeping.space_files import read_space, space_names


@pytest.mark.parametrize("model", list_trainable())
@pytest.mark.parametrize("name", space_names())
def test_what_ships_is_possible_for_every_model_whatever_is_chosen(name, model):
    base = compose(model)
    space = search_space(read_space(name, model), base)
    for values in itertools.product(*(one.ends for one in space.searched)):
        chosen = dict(zip((one.key for one in space.searched), values, strict=True))
        assert compose(model, overrides=space.tables(chosen)) != base


def test_every_model_is_given_the_same_but_for_what_it_alone_has():
    spaces = {model: [one.typed for one in read_space("standard", model)] for model in list_trainable()}
    shared = [one for one in spaces["sasrec"] if all(one in space for space in spaces.values())]
    assert shared == spaces["sasrec"]
    assert len(shared) >= 4
    assert all(space[: len(shared)] == shared for space in spaces.values())


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('search = ["learning_rate=1e-4..1e-2:log"]\n[models]\nsasrec = ["heads=1,2,4"]\n')
    assert [one.key for one in read_space(str(path), "sasrec")] == ["learning_rate", "heads"]
    assert [one.key for one in read_space(str(path), "gru4rec")] == ["learning_rate"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("searched = []", "unknown key 'searched'"),
        ("search = 3", "must be a list of texts"),
        ("search = [3]", "must be a list of texts"),
        ("models = 3", "models must be a table"),
        ('[models]\nsasrek = ["heads=1,2"]', "sasrek"),
        ('[models]\ngru4rec = ["layers=1,2"]', "nothing to search for sasrec"),
        ('search = ["heads"]', "takes KEY=LOW"),
        ("search = [", "not valid TOML"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_space(str(path), "sasrec")


def test_a_space_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match="unknown search space 'standart'"):
        read_space("standart", "sasrec")
    with pytest.raises(UsageError, match="does not exist"):
        read_space(str(tmp_path / "no.toml"), "sasrec")
