"""One conversation: attachments in, a checked and cited answer out."""
