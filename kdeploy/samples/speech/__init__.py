"""Speech as frames: a front end, and the sources of sounds whose every 10 ms have a phone.

sounds -> front_end: 123 values a frame -> corpus: windows of 15 frames, a label each -> Contents
"""
