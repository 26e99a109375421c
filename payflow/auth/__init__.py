"""Who asks: passwords, signing keys, access tokens, and the sessions they belong to."""
