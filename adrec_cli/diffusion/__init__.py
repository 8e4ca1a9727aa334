"""Diffusion maths: schedules, the forward process and its posterior, samplers. Knows no items and no users."""
