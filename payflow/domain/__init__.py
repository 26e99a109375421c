"""What the business means: pure rules, true without a computer."""
