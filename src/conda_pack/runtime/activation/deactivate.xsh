# Leaves the environment that bin/activate.xsh (or bin/activate, in a parent shell) activated last:
#   source path/to/env/bin/deactivate.xsh
#
# What it gives back is described in bin/deactivate, which sh runs for xonsh.

def _conda_pack_run(event, script):
    import json, os, subprocess
    helper = os.path.join(os.path.dirname(os.path.abspath(script)), "activation-for")
    done = subprocess.run(["sh", helper, "json", event], env=__xonsh__.env.detype(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE)
    for name, value in json.loads(done.stdout.decode(errors="surrogateescape") or "{}").items():
        __xonsh__.env.pop(name, None)
        if value is not None:
            __xonsh__.env[name] = value

_conda_pack_run("deactivate", __file__)
del _conda_pack_run
