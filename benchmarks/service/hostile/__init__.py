"""What honest clients of the service still get while somebody attacks it."""
