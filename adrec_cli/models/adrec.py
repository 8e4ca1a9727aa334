"""ADRec: per-token auto-regressive diffusion for sequential recommendation.

Source: Chen, Xu, Jiang, "Unlocking the Power of Diffusion Models in Sequential Recommendation: A Simple and Effective
Approach", KDD 2025, arXiv 2505.19544.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from adrec_cli.diffusion.recording import record_denoiser
from adrec_cli.diffusion.samplers import Denoiser, Noise, guide, noise_source
from adrec_cli.errors import UsageError
from adrec_cli.layers.attention import make_packed_causal_mask
from adrec_cli.layers.dropout import dropout
from adrec_cli.layers.embedding import PositionEmbedding, TimestepEmbedding
from adrec_cli.layers.frequency import FrequencyBlock
from adrec_cli.layers.gaps import add_bias
from adrec_cli.layers.lookup import lookup_of_few
from adrec_cli.layers.mlp import TokenMLP
from adrec_cli.layers.padding_key import causal_mask_with_padding_key, mask_with_padding_key, padding_bias
from adrec_cli.layers.transformer import LAYER_NORM_EPS, CausalTransformer, TransformerBlock, newest_position
from adrec_cli.models.adrec_config import ADRecConfig, ADRecFacts
from adrec_cli.models.base import DrawnNoise, SequentialRecommender, TokenOutputs
from adrec_cli.models.batch import HistoryBatch, PackedBatch
from adrec_cli.models.sampling import Sampling
from adrec_cli.schema import PAD


class ADRec(ADRecFacts, SequentialRecommender):
    """The causal attention module (CAM) and the auto-regressive diffusion module (ADM) over shared item vectors.

    Two outputs can be trained and ranked by: "condition", what the CAM says (stage pretrain), and "x_start", what the
    ADM denoises to (stages align and finetune).
    """

    config: ADRecConfig

    def __init__(self, config: ADRecConfig, items: int) -> None:
        super().__init__(config, items)
        self.max_length = config.max_length
        self.item_dropout = config.item_dropout
        self.noising = config.noising()
        self.item_embedding = config.item_table(items, config.hidden_size)
        learned = config.positions == "learned"
        self.position_embedding = PositionEmbedding(config.max_length, config.hidden_size) if learned else None
        self.input_norm = nn.LayerNorm(config.hidden_size, eps=LAYER_NORM_EPS)
        self.cam = self._transformer(config.cam_blocks)
        self.padding_D = nn.Parameter(torch.zeros(config.hidden_size)) if config.padding_key else None
        mlp = config.denoiser == "mlp"
        self.adm = TokenMLP(config.hidden_size) if mlp else self._transformer(config.adm_blocks)
        self.timestep_embedding = TimestepEmbedding(config.hidden_size, config.diffusion_steps)

    def _transformer(self, blocks: int) -> CausalTransformer:
        config = self.config
        block: Callable[[int, int, float], TransformerBlock] = TransformerBlock
        if config.block == "frequency":
            block = partial(
                FrequencyBlock,
                length=config.max_length,
                components=config.filter_components,
                share=config.filter_share,
            )
        return CausalTransformer(
            width=config.hidden_size,
            blocks=blocks,
            heads=config.heads,
            dropout_probability=config.dropout,
            block=block,
        )

    def components(self) -> Mapping[str, nn.Module]:
        """Return item_embedding, cam (with what its input needs) and adm (with the timestep embedding)."""
        padding = nn.ParameterList([] if self.padding_D is None else [self.padding_D])
        positions = nn.ModuleList([] if self.position_embedding is None else [self.position_embedding])
        return {
            "item_embedding": self.item_embedding,
            "cam": nn.ModuleList(
                [self.input_norm, self.cam, padding, *self.repeat_parts(), *self.gap_parts(), positions]
            ),
            "adm": nn.ModuleList([self.adm, self.timestep_embedding]),
        }

    def initialize(self, component: str, generator: torch.Generator) -> None:
        """Draw fresh weights for one component."""
        if component == "item_embedding":
            self.item_embedding.initialize(generator, self.config.initializer_range)
        elif component == "cam":
            self.cam.initialize(generator)
            self.initialize_repeats()
            self.initialize_gaps()
            nn.init.ones_(self.input_norm.weight)
            nn.init.zeros_(self.input_norm.bias)
            if self.padding_D is not None:
                nn.init.normal_(self.padding_D, 0.0, self.config.initializer_range, generator=generator)
            if self.position_embedding is not None:
                self.position_embedding.initialize(generator, self.config.initializer_range)
        else:
            self.adm.initialize(generator)
            self.timestep_embedding.initialize(generator)

    def token_outputs(self, batch: PackedBatch, *, output: str, generator: torch.Generator | None) -> TokenOutputs:
        """Return "condition" or "x_start" for every token of a packed batch whose target is learned.

        Args:
            batch: packed sequences.
            output: which of `outputs`.
            generator: draws dropout, timesteps and noise; None only for "condition" (evaluation).

        Source: ADRec eq. 2-9, algorithm 1.
        """
        batch, mask_R1LL = self._mask(batch)
        vectors_VD = self.drop_item_vectors_VD(generator)
        embedded_RLD = self._place(self.embed(batch.inputs_RL, vectors_VD, batch.input_order_N), batch.remaining_RL)
        condition_RLD = self._condition(embedded_RLD, self._add_gaps(mask_R1LL, batch.seconds_RL), generator)
        if output == "x_start":
            if generator is None:
                raise ValueError("x_start of a training batch needs a generator for timesteps and noise")
            return self._denoise_targets(batch, condition_RLD, mask_R1LL, generator, vectors_VD)
        return TokenOutputs(
            predicted_ND=batch.of_tokens(condition_RLD),
            x_start_ND=None,
            targets_N=batch.targets_of_tokens(),
            weights_N=batch.sequence_weights_N(),
            vectors_VD=vectors_VD,
            padded=batch.padded,
        )

    def why_not_padded(self) -> str:
        """Say what keeps a `PaddedBatch` from being computed without asking the device; "" if nothing."""
        return "" if self.noising.loss_aware is None else "model.timestep_sampling loss_aware"

    def _mask(self, batch: PackedBatch) -> tuple[PackedBatch, torch.Tensor]:
        """Return a batch, with a padding key in front if it is to have one, and which position sees which."""
        if not self.config.padding_key:
            return batch, make_packed_causal_mask(batch.segments_RL)
        counts_RL = self.max_length - F.pad(batch.lengths_RL(), (1, 0), value=self.max_length)
        batch = batch.prepend_padding()
        visible_R1LL = make_packed_causal_mask(batch.segments_RL)
        return batch, mask_with_padding_key(visible_R1LL, padding_bias(counts_RL))

    def _add_gaps(self, mask_R1LL: torch.Tensor | None, seconds_RL: torch.Tensor | None) -> torch.Tensor | None:
        """Return the mask of the CAM, which alone reads times; padding that is a key has none."""
        if self.gaps is None:
            return mask_R1LL
        first = int(self.config.padding_key)
        bias_RHLL = self.gap_bias(None if seconds_RL is None else seconds_RL[:, first:])
        assert bias_RHLL is not None
        return add_bias(mask_R1LL, F.pad(bias_RHLL, (first, 0, first, 0)))

    def _denoise_targets(
        self,
        batch: PackedBatch,
        condition_RLD: torch.Tensor,
        mask_R1LL: torch.Tensor,
        generator: torch.Generator,
        vectors_VD: torch.Tensor | None,
    ) -> TokenOutputs:
        """Return what the ADM makes of noisy targets."""
        x_start_RLD = self.embed(batch.targets_RL, vectors_VD, batch.target_order_N)
        t_RL, importance_RL = self.noising.timesteps(batch.segments_RL, batch.sequences, generator)
        noise_RLD = torch.randn(x_start_RLD.shape, generator=generator, device=x_start_RLD.device)
        condition_RLD = self._drop_conditions(batch, condition_RLD, generator)
        noisy_RL = batch.learned_RL if batch.prefixes else None
        predicted_RLD = self._denoise(condition_RLD, x_start_RLD, t_RL, noise_RLD, mask_R1LL, generator, noisy_RL)
        weights_N = batch.sequence_weights_N()
        observed_N: torch.Tensor | None = None
        if self.noising.loss_aware is not None and importance_RL is not None:
            weights_N = weights_N * batch.of_tokens(importance_RL)
            observed_N = batch.of_tokens(t_RL)
        return TokenOutputs(
            predicted_ND=batch.of_tokens(predicted_RLD),
            x_start_ND=batch.of_tokens(x_start_RLD),
            targets_N=batch.targets_of_tokens(),
            weights_N=weights_N,
            vectors_VD=vectors_VD,
            timesteps_N=observed_N,
            padded=batch.padded,
        )

    def observe(self, timesteps_N: torch.Tensor, errors_N: torch.Tensor) -> None:
        """Remember the squared errors of a step's tokens, of loss-aware timesteps."""
        assert self.noising.loss_aware is not None
        self.noising.loss_aware.observe(timesteps_N, errors_N)

    @torch.no_grad()
    def represent(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> torch.Tensor:
        """Return representation_BD: the CAM's last output, or the denoised vector of the next item.

        The history stays clean (t = 0, real targets) and only the position after it is denoised. As attention is
        causal, the history's keys and values in the ADM are the same at every step, so they are computed once and each
        step runs on one token.

        Args:
            histories: left-aligned, each of at least one item.
            output: which of `outputs`.
            sampling: steps and kind of noise.
            generator: of the noise.

        Source: ADRec algorithm 2, denoising of the last token only.
        """
        noise = self.draw_noise(histories, output=output, sampling=sampling, generator=generator).draw
        return self.represent_from(histories, output=output, sampling=sampling, noise=noise)

    def draw_noise(
        self, histories: HistoryBatch, *, output: str, sampling: Sampling, generator: torch.Generator
    ) -> DrawnNoise:
        """Return the noise of the position that is denoised, which depends on each history alone."""
        if output == "condition":
            return super().draw_noise(histories, output=output, sampling=sampling, generator=generator)
        if self.config.noise == "geodesic" and sampling.temperature not in (0, 1):
            raise UsageError("geodesic noise has a direction and no size: temperature must be 1 or 0")
        if self.config.padding_key:
            histories = histories.prepend_padding()
        steps = sampling.steps or self.config.diffusion_steps
        draw = noise_source(
            (len(histories.lengths_B), 1, self.config.hidden_size), kind=sampling.noise, generator=generator,
            temperature=sampling.temperature, keys=histories.keys, ahead=steps, device=histories.items_BL.device,
        )  # fmt: skip
        return DrawnNoise(draw=draw, count=steps if sampling.sampler == "ddpm" or sampling.eta else 1)

    @torch.no_grad()
    def represent_from(self, histories: HistoryBatch, *, output: str, sampling: Sampling, noise: Noise) -> torch.Tensor:
        """Return representation_BD from noise that was drawn; other arguments as `represent`."""
        histories, padding_bias_B, mask_B1LL = self.add_padding_key(histories)
        lengths_B = histories.padded_lengths_B
        embedded_BLD = self._place_history(histories)
        if output == "condition" and self.gaps is None:
            return self.cam.newest(self.input_norm(embedded_BLD), lengths_B, padding_bias_B).squeeze(1)
        condition_BLD = self._condition(embedded_BLD, self._add_gaps(mask_B1LL, histories.seconds_BL), None)
        last_B1D = newest_position(condition_BLD, lengths_B)
        if output == "condition":
            return last_B1D.squeeze(1)
        steps = sampling.steps or self.config.diffusion_steps
        denoiser = self._last_token_denoiser(condition_BLD, last_B1D, histories, padding_bias_B, steps=steps)
        if guidance := self.config.guidance_scale(sampling.guidance):
            nothing_BLD, nothing_B1D = torch.zeros_like(condition_BLD), torch.zeros_like(last_B1D)
            unconditional = self._last_token_denoiser(nothing_BLD, nothing_B1D, histories, steps=steps)
            denoiser = guide(denoiser, unconditional, guidance)
        return self.noising.sample(
            denoiser, noise, steps=sampling.steps, sampler=sampling.sampler, eta=sampling.eta
        ).squeeze(1)

    def add_padding_key(self, histories: HistoryBatch) -> tuple[HistoryBatch, torch.Tensor | None, torch.Tensor | None]:
        """Return histories, with a padding key in front if there is to be one, with its bias_B and mask_B1LL."""
        if not self.config.padding_key:
            return histories, None, None
        bias_B = padding_bias(self.max_length - histories.lengths_B)
        histories = histories.prepend_padding()
        return histories, bias_B, causal_mask_with_padding_key(histories.items_BL.shape[1], bias_B)

    def _last_token_denoiser(
        self,
        condition_BLD: torch.Tensor,
        last_B1D: torch.Tensor,
        histories: HistoryBatch,
        padding_bias_B: torch.Tensor | None = None,
        *,
        steps: int,
    ) -> Denoiser:
        """Return the ADM at the position after each history, whose keys and values it has seen once."""
        lambda_, lengths_B = self.config.lambda_, histories.padded_lengths_B
        times_TD = lambda_ * self.timestep_embedding.table_TD()
        # A history's token l knows its target, item l + 1; the last token's target is what is asked for.
        known_BLD = self.clean_vectors(histories.items_BL[:, 1:])
        clean_BLD = torch.add(condition_BLD[:, :-1] + times_TD[0], known_BLD, alpha=lambda_)
        caches = self.adm.prefill(clean_BLD, None if lengths_B is None else lengths_B - 1, padding_bias_B)

        def denoise(x_t_B1D: torch.Tensor, time_D: torch.Tensor) -> torch.Tensor:
            return self.adm.extend(torch.add(last_B1D + time_D, x_t_B1D, alpha=lambda_), caches)

        return record_denoiser(denoise, times_TD, steps=steps)

    def export_constants(self) -> Mapping[str, torch.Tensor]:
        """Return times_2D: the embeddings of no noise and of the one step, rather than the schedule they come from."""
        step = int(self.noising.diffusion.respace(1).timesteps_T[0])
        return {"times_2D": self.timestep_embedding.table_TD().detach()[[0, step]].clone()}

    def export_hidden_BLD(
        self, items_BL: torch.Tensor, lengths_B: torch.Tensor, constants: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """Denoise the position after each history in one step from zero noise, all positions in one pass."""
        targets_BL = torch.cat([items_BL[:, 1:], torch.full_like(items_BL[:, :1], PAD)], dim=1)
        histories, _, mask_B1LL = self.add_padding_key(HistoryBatch(items_BL=items_BL, lengths_B=lengths_B))
        items_BL, lengths_B = histories.items_BL, histories.lengths_B
        if self.config.padding_key:
            targets_BL = F.pad(targets_BL, (1, 0))
        embedded_BLD = self._place(self.embed(items_BL), histories.remaining_BL)
        condition_BLD = self._condition(embedded_BLD, mask_B1LL, None)
        clean_D, noisy_D = constants["times_2D"].unbind(0)
        newest_BL1 = (torch.arange(items_BL.shape[1]) == (lengths_B - 1)[:, None]).unsqueeze(2)
        clean_BLD = self.clean_vectors(targets_BL) + clean_D
        known_BLD = torch.where(newest_BL1, noisy_D.expand_as(clean_BLD), clean_BLD)
        noisy_BLD, guidance = self.config.lambda_ * known_BLD, self.config.guidance
        denoised: torch.Tensor = self.adm(condition_BLD + noisy_BLD, mask_B1LL, None)
        if guidance:
            denoised = (1 + guidance) * denoised - guidance * self.adm(noisy_BLD, mask_B1LL, None)
        return denoised[:, 1:] if self.config.padding_key else denoised

    def clean_vectors(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors (..., D) of known items as the denoiser sees them without noise."""
        return self.noising.clean(self.embed(items))

    def embed(
        self, items_RL: torch.Tensor, vectors_VD: torch.Tensor | None = None, order_N: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the vectors of items, with the padding's in the first position where it is a key.

        Args:
            items_RL: to look up.
            vectors_VD, order_N: as `ItemEmbedding.forward`.
        """
        vectors_RLD: torch.Tensor = self.item_embedding(items_RL, vectors_VD, order_N)
        if self.padding_D is None:
            return vectors_RLD
        return torch.cat([self.padding_D.expand_as(vectors_RLD[:, :1]), vectors_RLD[:, 1:]], dim=1)

    def item_vectors_VD(self) -> torch.Tensor:
        """Return the item vectors; row 0 is padding."""
        return self.item_embedding.vectors_VD()

    def _drop_conditions(
        self, batch: PackedBatch, condition_RLD: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """Replace the condition of some whole sequences by zeros. Source: the ADRec code, `cfg_scale`."""
        if not self.config.condition_dropout:
            return condition_RLD
        shape = (batch.sequences + 1,)
        dropped = torch.rand(shape, generator=generator, device=generator.device) < self.config.condition_dropout
        return condition_RLD.masked_fill(dropped[batch.segments_RL].unsqueeze(2), 0.0)

    def _place(self, embedded_RLD: torch.Tensor, remaining_RL: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Add to item vectors that of their positions, counted from the newest item, where there are any."""
        if self.position_embedding is None:
            return embedded_RLD
        placed_RLD: torch.Tensor = embedded_RLD + self.position_embedding(self.max_length - 1 - remaining_RL())
        return placed_RLD

    def _place_history(self, histories: HistoryBatch) -> torch.Tensor:
        """Return the item vectors of histories with those of their positions."""
        embedded_BLD = self.embed(histories.items_BL)
        if self.position_embedding is None or not histories.whole:
            return self._place(embedded_BLD, histories.remaining_BL)
        # Of whole histories each place is the same for all of them, and need not be looked up.
        return embedded_BLD + self.position_embedding.weight[self.max_length - embedded_BLD.shape[1] :]

    def _condition(
        self, embedded_RLD: torch.Tensor, mask_R1LL: torch.Tensor | None, generator: torch.Generator | None
    ) -> torch.Tensor:
        """Return condition_RLD = CAM(LayerNorm(Dropout(E[items]))). Source: ADRec eq. 2."""
        share = self.config.embedding_dropout
        if self.config.norm_first:
            embedded_RLD = dropout(self.input_norm(embedded_RLD), share, generator)
        else:
            embedded_RLD = self.input_norm(dropout(embedded_RLD, share, generator))
        condition_RLD: torch.Tensor = self.cam(embedded_RLD, mask_R1LL, generator)
        return condition_RLD

    def _denoise(
        self,
        condition_RLD: torch.Tensor,
        x_start_RLD: torch.Tensor,
        t_RL: torch.Tensor,
        noise_RLD: torch.Tensor,
        mask_R1LL: torch.Tensor | None,
        generator: torch.Generator | None,
        noisy_RL: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Noise every token to its own t and predict x_start from all of them. Source: ADRec eq. 3-5, 7.

        Of prefixes only the token that is learned is noisy, noisy_RL, as when one is ranked by.
        """
        x_t_RLD = self.noising.q_sample(x_start_RLD, t_RL, noise_RLD)
        if noisy_RL is not None:
            x_t_RLD = torch.where(noisy_RL.unsqueeze(2), x_t_RLD, self.noising.clean(x_start_RLD))
            t_RL = torch.where(noisy_RL, t_RL, 0)
        if self.padding_D is not None:
            x_t_RLD = torch.cat([self.noising.clean(x_start_RLD[:, :1]), x_t_RLD[:, 1:]], dim=1)
            t_RL = F.pad(t_RL[:, 1:], (1, 0))
        # Indexing by t_RL would make the backward pass nondeterministic on CUDA.
        times_RLD = lookup_of_few(t_RL, self.timestep_embedding.table_TD())
        hidden_RLD = condition_RLD + self.config.lambda_ * (x_t_RLD + times_RLD)
        predicted_RLD: torch.Tensor = self.adm(hidden_RLD, mask_R1LL, generator)
        return predicted_RLD
