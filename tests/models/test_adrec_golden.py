"""ADRec against values recorded from the official code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from adrec_cli.diffusion.samplers import ddpm
from adrec_cli.models import adrec
from adrec_cli.models.batch import HistoryBatch
from adrec_cli.models.sampling import Sampling
from tests.reference.official_weights import load_adrec, load_backbone

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}


def test_forward_process_condition_and_denoiser(golden):
    recorded = load_file(golden / "adrec.safetensors")
    model = load_adrec(recorded)
    x_start = model.item_embedding(recorded["targets"])
    x_t = model.noising.diffusion.q_sample(x_start, recorded["t"], recorded["noise"])
    torch.testing.assert_close(x_t, recorded["x_t"], **TOLERANCE)
    condition = model._condition(model.embed(recorded["inputs"]), None, None)
    torch.testing.assert_close(condition, recorded["condition"], **TOLERANCE)
    predicted = model._denoise(condition, x_start, recorded["t"], recorded["noise"], None, None)
    torch.testing.assert_close(predicted, recorded["x_start_pred"], **TOLERANCE)


def test_last_token_is_denoised_to_the_recorded_sample_and_scores(golden):
    recorded = load_file(golden / "adrec.safetensors")
    model = load_adrec(recorded)
    lengths = torch.full((4,), 12)
    draws = iter(recorded["sample_noise"][:, :, -1:])
    condition = model._condition(model.embed(recorded["inputs"]), None, None)
    times = model.timestep_embedding.table_TD()
    known = model.item_embedding(recorded["inputs"][:, 1:])
    caches = model.adm.prefill(condition[:, :-1] + 1e-3 * (known + times[0]), lengths - 1)
    sampled = ddpm(
        lambda x_t, t: model.adm.extend(condition[:, -1:] + 1e-3 * (x_t + times[t]), caches),
        model.noising.diffusion,
        lambda: next(draws),
    ).squeeze(1)
    torch.testing.assert_close(sampled, recorded["sampled_last"], **TOLERANCE)
    torch.testing.assert_close(sampled @ model.item_vectors_VD().T, recorded["scores"], **TOLERANCE)


def test_represent_runs_the_recorded_chain_with_its_own_noise(golden, monkeypatch):
    recorded = load_file(golden / "adrec.safetensors")
    model = load_adrec(recorded)
    draws = iter(recorded["sample_noise"][:, :, -1:])
    monkeypatch.setattr(adrec, "noise_source", lambda *args, **kwargs: lambda: next(draws))
    histories = HistoryBatch(items_BL=recorded["inputs"], lengths_B=torch.full((4,), 12))
    sampled = model.represent(histories, output="x_start", sampling=Sampling(), generator=torch.Generator())
    torch.testing.assert_close(sampled, recorded["sampled_last"], **TOLERANCE)


def test_backbone_of_the_pretraining_stage(golden):
    recorded = load_file(golden / "pretrain.safetensors")
    model = load_backbone(recorded)
    # The official backbone alone uses LayerNorm's default epsilon; ours is ADRec's in every stage (see CHANGELOG).
    model.input_norm.eps = 1e-5
    hidden = model._condition(model.embed(recorded["inputs"]), None, None)
    torch.testing.assert_close(hidden, recorded["hidden"], **TOLERANCE)
    scores = hidden @ model.item_vectors_VD().T
    torch.testing.assert_close(scores[:, -1], recorded["scores"], **TOLERANCE)
    loss = F.cross_entropy(scores.flatten(0, 1), recorded["targets"].flatten())
    torch.testing.assert_close(loss, recorded["ce_loss"][0], **TOLERANCE)
