"""Chest films: decoding, the input gate, the pneumonia classifier, heatmaps and the judge."""
