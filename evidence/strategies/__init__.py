"""The ways to judge a run state, one file each; `evidence.judge` is their door."""
