"""The commands of `exuvia`, one file each: what it takes, and what it does."""
