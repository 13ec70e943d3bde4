"""What public reports say fails: the inputs, made small, and what a command says of them now."""
