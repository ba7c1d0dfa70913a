"""What a detector's file says, and what is taken for granted where it says nothing."""
