"""Tests of what a training is made of."""
