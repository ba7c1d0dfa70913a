"""Many networks trained together, and the losses between them."""
