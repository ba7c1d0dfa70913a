"""Settings that suit the number of samples, where a config leaves them to be chosen."""
