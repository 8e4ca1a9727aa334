"""Building blocks shared by the models: embedding, attention, Transformer block, dropout."""
