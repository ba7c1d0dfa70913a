"""What distillation gives one Student on the same lines and steps, alone and beside others."""
