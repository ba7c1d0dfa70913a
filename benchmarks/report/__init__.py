"""Results as one page that needs nothing else, and as Markdown."""
