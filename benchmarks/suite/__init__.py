"""All benchmarks that need no outside data, one after another, and the page that shows them."""
