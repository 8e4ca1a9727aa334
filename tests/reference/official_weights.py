"""Loads weights recorded under the official code's names into our modules."""

from __future__ import annotations

import torch

from adrec_cli.models.adrec import ADRec, ADRecConfig
from adrec_cli.models.sasrec import SASRec, SASRecConfig


def _block(recorded, prefix: str) -> dict[str, torch.Tensor]:
    """Our names of one Transformer block's weights."""
    state = {}
    for kind in ("weight", "bias"):
        parts = [recorded[f"{prefix}.attention.linear_layers.{i}.{kind}"] for i in range(3)]
        state[f"attention.qkv.{kind}"] = torch.cat(parts)
        state[f"attention.out.{kind}"] = recorded[f"{prefix}.attention.w_layer.{kind}"]
        state[f"attention_norm.{kind}"] = recorded[f"{prefix}.input_sublayer.norm.{kind}"]
        state[f"expand.{kind}"] = recorded[f"{prefix}.feed_forward.w_1.{kind}"]
        state[f"contract.{kind}"] = recorded[f"{prefix}.feed_forward.w_2.{kind}"]
        state[f"feed_forward_norm.{kind}"] = recorded[f"{prefix}.output_sublayer.norm.{kind}"]
    return state


def _load_transformer(module, recorded, prefix: str) -> None:
    for number, block in enumerate(module.blocks):
        block.load_state_dict(_block(recorded, f"{prefix}.transformer_blocks.{number}"))


def _small(**changes) -> ADRec:
    config = ADRecConfig(hidden_size=32, max_length=12, diffusion_steps=8, **changes)
    return ADRec(config, items=50)


def load_adrec(recorded) -> ADRec:
    """The recorded ADRec."""
    model = _small()
    model.item_embedding.weight.data = recorded["state.item_embedding.weight"]
    for kind in ("weight", "bias"):
        getattr(model.input_norm, kind).data = recorded[f"state.hist_norm.{kind}"]
        getattr(model.timestep_embedding.expand, kind).data = recorded[f"state.diffu.net.time_embed.0.{kind}"]
        getattr(model.timestep_embedding.contract, kind).data = recorded[f"state.diffu.net.time_embed.2.{kind}"]
    _load_transformer(model.cam, recorded, "state.diffu.ag_encoder")
    _load_transformer(model.adm, recorded, "state.diffu.net.decoder")
    return model.requires_grad_(False)


def load_backbone(recorded) -> ADRec:
    """The recorded pretraining backbone: item vectors and CAM."""
    model = _small()
    model.item_embedding.weight.data = recorded["state.item_embedding.weight"]
    for kind in ("weight", "bias"):
        getattr(model.input_norm, kind).data = recorded[f"state.LayerNorm.{kind}"]
    _load_transformer(model.cam, recorded, "state.trm_encoder")
    return model.requires_grad_(False)


def load_sasrec(recorded) -> SASRec:
    """The recorded SASRec+."""
    model = SASRec(SASRecConfig(hidden_size=32, max_length=12), items=50)
    model.item_embedding.weight.data = recorded["state.item_embedding.weight"]
    model.position_embedding.weight.data = recorded["state.position_embedding.weight"]
    for kind in ("weight", "bias"):
        getattr(model.input_norm, kind).data = recorded[f"state.LayerNorm.{kind}"]
    _load_transformer(model.transformer, recorded, "state.trm_encoder")
    return model.requires_grad_(False)
