"""The command line: starts and stops PayFlow, and shows it at work."""
