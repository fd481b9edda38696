# Activates this environment in xonsh:  source path/to/env/bin/activate.xsh
# Undone by:                            source path/to/env/bin/deactivate.xsh
#
# What is set, and what is kept for later, is described in bin/activate, which sh runs for xonsh.

def _conda_pack_run(event, script):
    import json, os, subprocess
    helper = os.path.join(os.path.dirname(os.path.abspath(script)), "activation-for")
    done = subprocess.run(["sh", helper, "json", event], env=__xonsh__.env.detype(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE)
    for name, value in json.loads(done.stdout.decode(errors="surrogateescape") or "{}").items():
        __xonsh__.env.pop(name, None)
        if value is not None:
            __xonsh__.env[name] = value

_conda_pack_run("activate", __file__)
del _conda_pack_run
