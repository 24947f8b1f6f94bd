"""Every way in: the command line and the chat page. Nothing imports from here."""
