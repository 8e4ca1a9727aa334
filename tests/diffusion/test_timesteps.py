"""Timesteps drawn by their losses, against the sampler written down step by step."""

from __future__ import annotations

import pytest
import torch

from adrec_cli.diffusion.timesteps import LossAwareTimesteps


class Plain:
    """The sampler of Nichol and Dhariwal, one loss at a time."""

    def __init__(self, steps: int, history: int) -> None:
        self.losses = [[] for _ in range(steps)]
        self.history = history

    def observe(self, t, losses):
        for step, loss in zip(t, losses, strict=True):
            self.losses[step] = [*self.losses[step], loss][-self.history :]

    def shares(self):
        steps = len(self.losses)
        if any(len(losses) < self.history for losses in self.losses):
            return [1 / steps] * steps
        roots = [(sum(loss**2 for loss in losses) / self.history) ** 0.5 for losses in self.losses]
        return [0.999 * root / sum(roots) + 0.001 / steps for root in roots]


def test_shares_follow_the_newest_losses_of_each_timestep():
    ours, plain = LossAwareTimesteps(5, history=4), Plain(5, 4)
    generator = torch.Generator().manual_seed(2)
    for count in (3, 1, 30, 200, 7):
        t = torch.randint(5, (count,), generator=generator)
        losses = torch.rand(count, generator=generator) * (t + 1)
        ours.observe(t, losses)
        plain.observe(t.tolist(), losses.tolist())
        torch.testing.assert_close(ours.shares_T(), torch.tensor(plain.shares(), dtype=torch.float64))
    assert ours.shares_T()[4] > 2 * ours.shares_T()[0]


def test_until_every_timestep_is_known_all_are_equally_likely():
    sampler = LossAwareTimesteps(3, history=2)
    sampler.observe(torch.tensor([0, 0, 1, 1, 2]), torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))
    torch.testing.assert_close(sampler.shares_T(), torch.full((3,), 1 / 3, dtype=torch.float64))
    sampler.observe(torch.tensor([2]), torch.tensor([6.0]))
    assert sampler.shares_T().std() > 0


def test_losses_of_zero_leave_all_equally_likely():
    sampler = LossAwareTimesteps(2, history=1)
    sampler.observe(torch.tensor([0, 1]), torch.zeros(2))
    torch.testing.assert_close(sampler.shares_T(), torch.full((2,), 0.5, dtype=torch.float64))


def test_draws_follow_the_shares_and_weights_keep_the_expected_loss():
    sampler = LossAwareTimesteps(4, history=1)
    by_step = torch.tensor([1.0, 2.0, 4.0, 13.0])
    sampler.observe(torch.arange(4), by_step)
    t, weights = sampler.draw((500, 400), torch.Generator().manual_seed(1))
    assert t.shape == weights.shape == (500, 400)
    shares = torch.bincount(t.flatten(), minlength=4) / t.numel()
    torch.testing.assert_close(shares, sampler.shares_T().float(), atol=0.005, rtol=0)
    assert (weights * by_step[t]).mean().item() == pytest.approx(by_step.mean().item(), rel=0.01)
    # As the loss is what the share is in proportion to, weighted losses hardly differ: that is the point of it.
    assert (weights * by_step[t]).std() < 0.1 * by_step[t].std()


def test_equal_generators_draw_the_same():
    sampler = LossAwareTimesteps(6)
    first, second = (sampler.draw((50,), torch.Generator().manual_seed(9))[0] for _ in range(2))
    assert torch.equal(first, second)
