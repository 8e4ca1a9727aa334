"""Many trainings that differ in some options: which they are, what they share, and how good each is."""
