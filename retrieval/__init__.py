"""Literature in, ranked passages out. This package knows nothing of chat, images or users."""
