"""Lines without labels: read by a teacher in several views, kept where it is sure of them."""
