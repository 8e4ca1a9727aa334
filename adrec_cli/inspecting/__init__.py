"""Where data sets and models of a workspace stand, and item vectors opened and measured."""
