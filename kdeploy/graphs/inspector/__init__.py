"""ONNX files from outside, inspected in a bounded child process before any runtime sees them.

May import system, records and errors; its child imports no torch.
"""
