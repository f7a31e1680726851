"""Re-rank: look closer at the candidates, and weigh all that is known of a pair."""
