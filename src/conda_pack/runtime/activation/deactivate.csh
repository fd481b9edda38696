# Leaves the environment that bin/activate.csh (or bin/activate, in a parent shell) activated last:
#   source path/to/env/bin/deactivate.csh
#
# What it gives back is described in bin/deactivate, which sh runs for csh.

if ($?CONDA_PREFIX && $?CONDA_SHLVL) then
    # The prompt is as it was before the activation, if that was in this shell.
    if ($?prompt && `eval echo '$?_conda_pack_prompt_'$CONDA_SHLVL`) then
        eval 'set prompt = $_conda_pack_prompt_'$CONDA_SHLVL':q'
        unset _conda_pack_prompt_$CONDA_SHLVL
    endif
    set _conda_pack_newline = "\
"
    if (-f $CONDA_PREFIX:q/bin/activation-for) then
        setenv _conda_pack_run 'sh "$CONDA_PREFIX/bin/activation-for" csh deactivate < /dev/null'
        eval "`printenv _conda_pack_run | sh`"
        unsetenv _conda_pack_run
    else
        sh -c 'echo "conda-pack: $CONDA_PREFIX was not activated by its bin/activate; try: conda deactivate" >&2; exit 1'
    endif
    unset _conda_pack_newline
endif
