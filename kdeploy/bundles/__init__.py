"""The deployment bundle that checks itself: `write` makes a folder and a zip, `verify` shows one is what was tested.

    bundle/  manifest.json  student.onnx  formats/  preprocessing.json  labels.json  golden/  evidence/
             predict.py  verify.py  bundle_core.py  README.md

The checks themselves live in `programs/bundle_core.py`, which travels in the bundle, so that the target and kdeploy can
not disagree about what a whole bundle is. May import graphs and everything below it.
"""
