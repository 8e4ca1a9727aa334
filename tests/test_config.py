"""Options from defaults, presets, TOML and flags: later ones win, unknown ones are refused."""

from __future__ import annotations

import pytest

from adrec_cli.config import build, merge, parse_settings, preset_names, read_preset
from adrec_cli.data.named_datasets import dataset_names, load_dataset_spec
from adrec_cli.errors import UsageError
from adrec_cli.experiments.experiment import compose, find_recipe
from adrec_cli.models.adrec import ADRecConfig


def test_defaults_are_the_papers_code():
    experiment = compose("adrec")
    model, training = experiment.model, experiment.training
    assert (model.hidden_size, model.cam_blocks, model.adm_blocks, model.heads, model.max_length) == (128, 2, 2, 4, 50)
    assert (model.dropout, model.embedding_dropout) == (0.1, 0.3)
    assert (model.diffusion_steps, model.noise_schedule, model.lambda_) == (32, "trunc_lin", 1e-3)
    assert (training.batch_size, training.weight_decay) == (512, 1e-5)
    assert {stage.learning_rate for stage in experiment.stages.values()} == {1e-3}
    assert list(experiment.stages) == ["pretrain", "align", "finetune"]


def test_a_model_may_have_training_options_of_its_own():
    training = compose("dreamrec").training
    assert (training.batch_size, training.weight_decay) == (32, 0.0)
    training = compose("dreamrec", overrides={"training": {"batch_size": 64}}).training
    assert (training.batch_size, training.weight_decay) == (64, 0.0)
    assert compose("sasrec").training == compose("adrec").training
    assert compose("diffurec").training.samples == "prefixes"


def test_the_report_preset():
    experiment = compose("adrec", preset="report")
    assert (experiment.model.max_length, experiment.training.batch_size) == (20, 256)
    assert (experiment.model.diffusion_steps, experiment.model.noise_schedule) == (50, "linear")
    assert (experiment.stages["pretrain"].epochs, experiment.stages["align"].epochs) == (10, 5)
    assert {stage.learning_rate for stage in experiment.stages.values()} == {5e-4}
    assert experiment.stages["finetune"].mse_weight == 0.7


def test_flags_over_file_over_preset_over_inherited(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('preset = "report"\n[model]\nlambda = 0.5\nmax_length = 30\n[stages.align]\nepochs = 2\n')
    experiment = compose(
        "adrec",
        inherited={"model": {"hidden_size": 64, "max_length": 99}},
        config=file,
        overrides=parse_settings(["model.lambda=0.25", "stages.finetune.learning_rate_schedule=cosine"]),
    )
    assert experiment.model.hidden_size == 64
    assert experiment.model.max_length == 30
    assert experiment.model.lambda_ == 0.25
    assert experiment.stages["align"].epochs == 2
    assert experiment.stages["align"].mse_weight == 0.7
    assert experiment.stages["finetune"].learning_rate_schedule == "cosine"


def test_tables_round_trip():
    experiment = compose("adrec", preset="report")
    assert compose("adrec", inherited=experiment.tables()) == experiment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modle]\nhidden_size = 3", r"unknown configuration key 'modle' in \S+my\.toml$"),
        ("[model]\nhiden_size = 3", r"unknown configuration key 'hiden_size' in \[model\]"),
        ("[stages.aline]\nepochs = 3", r"unknown configuration key 'aline' in \[stages\]"),
        ("[stages.align]\nepoch = 3", r"unknown configuration key 'epoch' in \[stages.align\]"),
        ('[model]\nhidden_size = "big"', r"\[model\] hidden_size: expected int, got 'big'"),
        ("[training]\nbatch_size = true", "expected int, got True"),
        ("[training]\nbatch_size = 0", "at least 1"),
        ("[model]\nheads = 3", "divisible"),
        ('[model]\nnoise_schedule = "lin"', "unknown noise schedule"),
        ("[model]\ndropout = 1.0", r"in \[0, 1\)"),
        ("[model]\ninitializer_range = 0", r"model\.initializer_range must be positive, got 0"),
        ("[model]\ninitializer_range = nan", r"initializer_range must be a finite number, got nan"),
        ('[model]\nnoise_per = "user"', r"unknown model\.noise_per 'user'"),
        ("[training]\nweight_decay = -1", "weight_decay must not be negative, got -1"),
        ("[training]\nweight_decay = nan", "weight_decay must be a finite number, got nan"),
        ('[training]\nwindows = "old"', "unknown windows 'old'"),
        ("model = 3", r"\[model\].* must be a table"),
        ("[stages]\nalign = 3", r"\[stages.align\].* must be a table"),
        ("[model", "not valid TOML"),
        ('preset = "paperr"', "unknown preset"),
        ("[stages.align]\nce_weight = 0\nmse_weight = 0", "needs a loss"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    file = tmp_path / "my.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message):
        compose("adrec", config=file)


def test_a_byte_order_mark_in_front_is_none_of_the_text(tmp_path):
    file = tmp_path / "my.toml"
    file.write_bytes(b"\xef\xbb\xbf[model]\nlambda = 0.5\n")
    assert compose("adrec", config=file).model.lambda_ == 0.5


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("stages.align.trains=cam", '["one","two"]'),
        ("stages.align.trains=[cam]", '["one","two"]'),
        ("training.monitor_mask_seen=yes", "true or false"),
        ("model.hidden_size=64.0", "without a decimal point"),
        ("model.dropout=half", "such as 0.1"),
    ],
)
def test_how_a_value_is_written_is_said(setting, hint):
    with pytest.raises(UsageError) as refused:
        compose("adrec", overrides=parse_settings([setting]))
    assert hint in refused.value.hint


def test_a_near_miss_is_suggested():
    with pytest.raises(UsageError) as refused:
        build(ADRecConfig, {"lamda": 1.0}, where="[model]")
    assert refused.value.hint == "did you mean 'lambda'?"


@pytest.mark.parametrize("setting", ["lambda=3", "model.lambda", "=3", "model.=3"])
def test_malformed_settings_are_refused(setting):
    with pytest.raises(UsageError, match="set= takes"):
        parse_settings([setting])


def test_merging_is_key_by_key():
    assert merge({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": {"z": 1}}) == {
        "a": {"x": 1, "y": 3},
        "b": {"z": 1},
    }


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid_and_takes_hold(preset):
    tables = compose("adrec", preset=preset).tables()
    assert merge(tables, read_preset(preset)) == tables


@pytest.mark.parametrize("dataset", dataset_names())
def test_every_recipe_is_valid_and_takes_hold(dataset):
    for model in load_dataset_spec(dataset).recipe:
        recipe = find_recipe(dataset, model)
        tables = compose(model, inherited=recipe).tables()
        assert merge(tables, recipe) == tables
