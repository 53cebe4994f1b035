"""What was missed, what was healed, and the proof of both."""
