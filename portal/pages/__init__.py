"""The pages of people, a room each for what they are about. They share `parts`."""
