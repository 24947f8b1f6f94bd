"""What the demonstration asks about: an invented record; nothing here is about a real person."""
