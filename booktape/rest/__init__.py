"""What is asked of venues over REST: order books and lists of instruments, under one budget for all who ask."""
