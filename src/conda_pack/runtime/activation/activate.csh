# Activates this environment in csh or tcsh:  source path/to/env/bin/activate.csh
# Undone by:                                  source path/to/env/bin/deactivate.csh
#
# What is set, and what is kept for later, is described in bin/activate, which sh runs for csh.

# csh cannot say which file it is reading. On Linux the kernel can: the parent of sh has it open. Elsewhere
# CONDA_PACK_ENV or the working directory tells. (In the environment, where csh leaves its quotes alone.)
setenv _conda_pack_find 'bin=; \
    for file in /proc/$PPID/fd/*; do \
        file=$(readlink "$file") || continue; \
        [ "$file" = "${file%/bin/activate.csh}" ] || bin=${file%/*}; \
    done; \
    for prefix in "$CONDA_PACK_ENV" . ..; do \
        [ -z "$bin" ] && [ -f "$prefix/bin/activation-for" ] && bin=$prefix/bin; \
    done; \
    if [ -z "$bin" ]; then \
        echo "conda-pack: csh does not say where the environment is. Activate it with:" >&2; \
        echo "    setenv CONDA_PACK_ENV /path/to/env; source /path/to/env/bin/activate.csh" >&2; \
        echo false; \
        exit; \
    fi; \
    sh "$bin/activation-for" csh activate < /dev/null || echo false'
set _conda_pack_newline = "\
"
eval "`printenv _conda_pack_find | sh`"
unsetenv _conda_pack_find
unset _conda_pack_newline

if ($?prompt && $?CONDA_SHLVL) then
    if (! `eval echo '$?_conda_pack_prompt_'$CONDA_SHLVL`) then
        eval 'set _conda_pack_prompt_'$CONDA_SHLVL' = $prompt:q'
    endif
    eval 'set prompt = "$CONDA_PROMPT_MODIFIER$_conda_pack_prompt_'$CONDA_SHLVL':q"'
endif
