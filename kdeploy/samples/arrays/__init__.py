"""What plain arrays mean: which are inputs and which labels (`names`), what these say (`labels`, `pixels`).

Whatever has one meaning is taken, with a line that says what was assumed; the rest is asked about, in one sentence that
names the key of the recipe that answers. May import what is in `samples` below it: errors, records and `room`.
"""
