"""What one gets from straightforward code: pad to L, mask, naive cross-entropy, full passes at every reverse step."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from adrec_cli.data.batches import TrainingWindows
from adrec_cli.models.adrec import ADRec


def attention(layer, hidden_BLD, mask_B1LL):
    """Multi-head attention with stored weights and torch's own dropout."""
    batch, length, width = hidden_BLD.shape
    query, key, value = (
        part.view(batch, length, layer.heads, -1).transpose(1, 2) for part in layer.qkv(hidden_BLD).split(width, dim=-1)
    )
    scores = query @ key.transpose(-2, -1) / math.sqrt(width // layer.heads)
    weights = scores.masked_fill(~mask_B1LL, -1e9).softmax(dim=-1)
    weights = F.dropout(weights, layer.attention_dropout, layer.training)
    return layer.out((weights @ value).transpose(1, 2).reshape(batch, length, width))


def transformer(module, hidden_BLD, mask_B1LL):
    """Post-norm blocks."""
    for block in module.blocks:
        p, training = block.dropout_probability, block.training
        hidden_BLD = block.attention_norm(
            hidden_BLD + F.dropout(attention(block.attention, hidden_BLD, mask_B1LL), p, training)
        )
        inner = F.dropout(F.gelu(block.expand(hidden_BLD), approximate="tanh"), p, training)
        hidden_BLD = block.feed_forward_norm(hidden_BLD + F.dropout(block.contract(inner), p, training))
    return hidden_BLD


def _mask(items_BL):
    length = items_BL.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    # Padding attends to itself alone, so that no row of the softmax is empty.
    visible = causal & (items_BL > 0)[:, None, :] | torch.eye(length, dtype=torch.bool)
    return visible.unsqueeze(1)


def condition(model: ADRec, items_BL, mask):
    """CAM output."""
    embedded = F.dropout(model.item_embedding(items_BL), model.config.embedding_dropout, model.training)
    return transformer(model.cam, model.input_norm(embedded), mask)


def denoise(model: ADRec, condition_BLD, x_t, t_BL, mask):
    """ADM output with one timestep embedding a token."""
    times = F.embedding(t_BL, model.timestep_embedding.table_TD())
    return transformer(model.adm, condition_BLD + model.config.lambda_ * (x_t + times), mask)


def padded_batch(windows: TrainingWindows, chosen, length: int):
    """Left-padded inputs and targets (B, L)."""
    inputs = np.zeros((len(chosen), length), dtype=np.int64)
    targets = np.zeros_like(inputs)
    for row, window in enumerate(chosen):
        start, count = windows.starts[window], windows.lengths[window]
        inputs[row, length - count :] = windows.items[start : start + count]
        targets[row, length - count :] = windows.items[start + 1 : start + count + 1]
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def training_losses(model: ADRec, inputs_BL, targets_BL):
    """CE and MSE of a padded batch, with noise from the global generator."""
    mask = _mask(inputs_BL)
    real = inputs_BL > 0
    x_start = model.item_embedding(targets_BL)
    t = torch.randint(model.config.diffusion_steps, inputs_BL.shape)
    x_t = model.noising.diffusion.q_sample(x_start, t, torch.randn_like(x_start))
    predicted = denoise(model, condition(model, inputs_BL, mask), x_t, t, mask)
    logits = predicted @ model.item_embedding.weight.T
    ce = F.cross_entropy(logits.flatten(0, 1), targets_BL.flatten(), ignore_index=0)
    squared = (predicted - x_start).square().mean(-1) * real
    mse = (squared.sum(1) / real.sum(1)).mean()
    return ce, mse


@torch.no_grad()
def full_ranks(model: ADRec, histories_BL, targets_B, generator):
    """Ranks by full-sequence denoising and a full sort of all scores."""
    mask = _mask(histories_BL)
    batch, length = histories_BL.shape
    encoded = condition(model, histories_BL, mask)
    known = F.pad(model.item_embedding(histories_BL[:, 1:]), (0, 0, 0, 1))
    x_last = torch.randn(batch, encoded.shape[-1], generator=generator)
    diffusion = model.noising.diffusion
    for step in reversed(range(diffusion.steps)):
        x_t = torch.cat([known[:, :-1], x_last.unsqueeze(1)], dim=1)
        t = torch.zeros(batch, length, dtype=torch.long)
        t[:, -1] = step
        x_start = denoise(model, encoded, x_t, t, mask)[:, -1]
        x_last = diffusion.posterior_mean(x_start, x_last, step)
        if step:
            x_last = x_last + diffusion.sample_std_T[step] * torch.randn(x_last.shape, generator=generator)
    scores = x_last @ model.item_embedding.weight.T
    order = scores[:, 1:].argsort(dim=1, descending=True) + 1
    return (order == targets_B.unsqueeze(1)).nonzero()[:, 1] + 1
