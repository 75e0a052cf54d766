"""Looking inside networks: what a layer keeps, what an answer rests on, and what can deceive."""
