"""Style sheets of the page."""
