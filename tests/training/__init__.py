"""Tests of training: what is computed from pictures and labels, and what is said about it."""
