"""Follows a training elsewhere: trackers of experiments, and callbacks from outside."""
