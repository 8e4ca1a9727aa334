"""What a training is made of, and one stage of it from start to checkpoint."""
