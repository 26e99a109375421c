"""Tests of PayFlow, against real parts and against fakes."""
