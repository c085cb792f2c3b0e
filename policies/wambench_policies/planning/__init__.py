"""Planning with world models: propose, imagine, score, select."""
