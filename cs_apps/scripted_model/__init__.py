"""A scripted server with the language models' protocol, for tests and for trying without a key."""
