"""What is known of items besides events, as vectors: texts, categories, numbers, and vectors from elsewhere."""
