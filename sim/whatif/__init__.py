"""What if: many predictions of changed scenarios with the same random numbers, and searches for the best or the largest."""
