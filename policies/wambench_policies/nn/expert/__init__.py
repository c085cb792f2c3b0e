"""Networks that turn what a policy sees and reads into actions."""
