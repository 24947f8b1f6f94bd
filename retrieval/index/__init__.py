"""The index on disk: vectors, words and passages, in generations that are published whole."""
