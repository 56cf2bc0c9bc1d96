"""The ways to judge a run state, one file each; `evidence.judging.judge` is their door."""
