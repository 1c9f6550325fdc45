"""What an assistant can ask over the Model Context Protocol, and what keeps it from doing harm.

`server` puts together tools (`look_up`, `look_live`), resources and prompts; `limits` bounds what comes in
and goes out; `confine` takes the rights to write away from the process.
"""
