"""What every implementation of a port must do, the fake and the real one alike."""
