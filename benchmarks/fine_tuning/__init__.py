"""What fine-tuning on few lines gains, pack by pack."""
