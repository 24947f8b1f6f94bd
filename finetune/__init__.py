"""Training: adapters of the encoder and of chat models, image classifiers, their gate, synthetic films."""
