"""Prompt texts, one Markdown file each."""
