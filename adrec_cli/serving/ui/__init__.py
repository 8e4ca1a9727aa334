"""Pages to look at: what is recommended to whom and why, and what the last nights were like."""
