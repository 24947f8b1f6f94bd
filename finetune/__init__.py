"""Training: adapters of the encoder, the film classifier and its gate, and synthetic films."""
