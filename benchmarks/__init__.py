"""What PayFlow costs, as ratios: each contender runs beside its rival, in one run, by turns."""
