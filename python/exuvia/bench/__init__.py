"""Measurements that the package brings along. They measure; none of them is a test."""
