"""Taking a person out of what a workspace holds."""
