"""What every benchmark shares: alternation, machine, result, comparison."""
