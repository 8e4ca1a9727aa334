"""ADRec as one writes it straight down: padded to L, masked, every position computed at every reverse step."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from adrec_cli.diffusion.process import GaussianDiffusion
from adrec_cli.layers.frequency import FrequencyBlock
from adrec_cli.layers.mlp import TokenMLP
from adrec_cli.layers.transformer import CausalTransformer
from adrec_cli.models.adrec import ADRec


def attention(block, hidden, lengths, pads=None):
    """Multi-head causal attention over padded rows (B, L, D), looping over sequences, heads and queries.

    With `pads`, as many positions of each row come before its sequence, and are keys like all others.
    """
    layer = block.attention
    width = hidden.shape[-1]
    size = width // layer.heads
    query, key, value = layer.qkv(hidden).split(width, dim=-1)
    out = torch.zeros_like(hidden)
    for b, length in enumerate(lengths):
        for h in range(layer.heads):
            part = slice(h * size, (h + 1) * size)
            for i in range(length + (pads[b] if pads else 0)):
                scores = key[b, : i + 1, part] @ query[b, i, part] / math.sqrt(size)
                out[b, i, part] = scores.softmax(dim=0) @ value[b, : i + 1, part]
    return layer.out(out)


def slow_and_quick(block, hidden, lengths):
    """The filter at each position of padded rows: the end of a Fourier transform of what came up to there."""
    out = torch.zeros_like(hidden)
    for b, length in enumerate(lengths):
        for i in range(length):
            row = torch.zeros(len(block.filter.kernel_L), hidden.shape[-1])
            row[len(row) - i - 1 :] = hidden[b, : i + 1]
            spectrum = torch.fft.rfft(row, dim=0)
            spectrum[3:] = 0
            low = torch.fft.irfft(spectrum, n=len(row), dim=0)[-1]
            out[b, i] = low + block.filter.beta_D**2 * (hidden[b, i] - low)
    return out


def transformer(module: CausalTransformer, hidden, lengths, pads=None):
    """Post-norm blocks over padded rows."""
    for block in module.blocks:
        attended = block.attention_norm(hidden + attention(block, hidden, lengths, pads))
        if isinstance(block, FrequencyBlock):
            filtered = block.filter_norm(hidden + slow_and_quick(block, hidden, lengths))
            attended = block.share * filtered + (1 - block.share) * attended
        hidden = attended
        inner = block.expand(hidden)
        inner = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        hidden = block.feed_forward_norm(hidden + block.contract(inner))
    return hidden


def mlp(module: TokenMLP, hidden):
    """Two layers with SiLU between and LayerNorm behind, by hand."""
    inner = module.expand(hidden)
    out = module.contract(inner / (1 + torch.exp(-inner)))
    centred = out - out.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + module.norm.eps).sqrt() * module.norm.weight
        + module.norm.bias
    )


def condition(model: ADRec, items, lengths):
    """CAM output for left-aligned padded items (B, L)."""
    padding = model.input_norm(model.padding_D) if model.config.padding_key else None
    vectors = model.item_embedding(items)
    if model.config.positions == "learned":
        # As if padding on the left made every history as long as it can be.
        for row, length in enumerate(lengths):
            vectors[row, :length] += model.position_embedding.weight[model.max_length - length :]
    return within(model, model.cam, model.input_norm(vectors), lengths, padding)


def within(model: ADRec, module, hidden, lengths, padding):
    """A Transformer over left-aligned rows; where padding takes part, over rows that padding in front makes full."""
    if not model.config.padding_key:
        return transformer(module, hidden, lengths)
    full = padding.expand(len(lengths), model.max_length, -1).clone()
    pads = [model.max_length - length for length in lengths]
    for row, (pad, length) in enumerate(zip(pads, lengths, strict=True)):
        full[row, pad:] = hidden[row, :length]
    full = transformer(module, full, lengths, pads)
    out = hidden.clone()
    for row, (pad, length) in enumerate(zip(pads, lengths, strict=True)):
        out[row, :length] = full[row, pad:]
    return out


def denoise(model: ADRec, c, x_t, t, lengths):
    """ADM output of every position; t (B, L)."""
    times = model.timestep_embedding.table_TD()[t]
    hidden = c + model.config.lambda_ * (x_t + times)
    if model.config.denoiser == "mlp":
        return mlp(model.adm, hidden)
    padding = None
    if model.config.padding_key:
        clean = model.padding_D + model.timestep_embedding.table_TD()[0]
        alone = transformer(model.cam, model.input_norm(model.padding_D).expand(1, 1, -1), [1])
        padding = alone + model.config.lambda_ * clean
    return within(model, model.adm, hidden, lengths, padding)


def directions(x):
    """Vectors of length 1; zero stays zero."""
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-12)


def turned_back(diffusion, x_start, x_t, step, noise):
    """The reverse step on the sphere, vector by vector, with angles and Gram-Schmidt written out."""
    out = torch.zeros_like(x_t)
    for row in range(len(x_t)):
        start = directions(x_start[row])
        away = directions(x_t[row] - (x_t[row] @ start) * start)
        fresh = noise[row] - (noise[row] @ start) * start
        fresh = directions(fresh - (fresh @ away) * away)
        alpha_bar, before = diffusion.alphas_cumprod_T[step].item(), diffusion.alphas_cumprod_T[step - 1].item()
        turn = math.asin(math.sqrt((1 - alpha_bar / before) / (1 - alpha_bar)))
        angle = math.acos(math.sqrt(before))
        direction = math.cos(turn) * away + math.sin(turn) * fresh
        out[row] = math.cos(angle) * start + math.sin(angle) * direction
    return out


@torch.no_grad()
def sample_last(model: ADRec, items, lengths, noises, steps=None):
    """Denoise the position after each history by full passes over the whole sequence at every step.

    Args:
        items: (B, L) left-aligned histories.
        lengths: their lengths.
        noises: list of (B, D): the start, then one per step but the last.
        steps: reverse steps.
    """
    diffusion: GaussianDiffusion = model.noising.diffusion.respace(steps or model.noising.diffusion.steps)
    c = condition(model, items, lengths)
    rows = torch.arange(len(lengths))
    last = torch.tensor(lengths) - 1
    sphere = model.config.noise == "geodesic"
    clean = F.pad(model.item_embedding(items[:, 1:]), (0, 0, 0, 1))
    clean = directions(clean) if sphere else clean
    x_last = directions(noises[0]) if sphere else noises[0]
    w = model.config.guidance
    for number, step in enumerate(reversed(range(diffusion.steps))):
        x_t = clean.clone()
        x_t[rows, last] = x_last
        t = torch.zeros(items.shape, dtype=torch.long)
        t[rows, last] = int(diffusion.timesteps_T[step])
        x_start = (1 + w) * denoise(model, c, x_t, t, lengths)[rows, last]
        if w:
            x_start = x_start - w * denoise(model, torch.zeros_like(c), x_t, t, lengths)[rows, last]
        if sphere:
            x_last = x_start if step == 0 else turned_back(diffusion, x_start, x_last, step, noises[number + 1])
            continue
        mean = diffusion.posterior_mean_coef1_T[step] * x_start + diffusion.posterior_mean_coef2_T[step] * x_last
        x_last = mean if step == 0 else mean + diffusion.sample_std_T[step] * noises[number + 1]
    return x_last
