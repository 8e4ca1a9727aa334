"""Pages to look at: what is recommended and why, and what the last nights were like."""
