# Activates this environment in fish:  source path/to/env/bin/activate.fish
# Undone by:                           source path/to/env/bin/deactivate.fish
#
# What is set, and what is kept for later, is explained in bin/activate. Only *.fish hooks are run: what a *.sh
# hook exports does not reach fish yet.

set -l self (status filename)
if not test -f "$self"
    echo 'conda-pack: fish does not say where the environment is; source bin/activate.fish by its path.' >&2
    return 1
end
# In sh: `cd` in a fish substitution moves fish itself, and `realpath` would lose the spelling the user chose.
set -l prefix (command sh -c '
    case $1 in /*) ;; *) set -- "./$1" ;; esac
    cd -- "${1%/*}/.." && pwd' sh "$self")

# Already active? Then leave first: nothing is there twice, and whatever got lost comes back.
set -l active CONDA_STACKED_(math "0$CONDA_SHLVL")
if test "$CONDA_PREFIX" = "$prefix"; and test "$$active" = "$prefix"
    source $prefix/bin/deactivate.fish
end

set -l level (math "0$CONDA_SHLVL")
for name in CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER CONDA_SHLVL
    set -e {$name}_$level
    if set -q $name
        set -gx {$name}_$level $$name
    end
end

set -gx CONDA_SHLVL (math $level + 1)
set -gx CONDA_STACKED_$CONDA_SHLVL $prefix
set -gx CONDA_PREFIX $prefix
set -gx CONDA_DEFAULT_ENV (string replace -r '.*/' '' -- $prefix)
set -gx CONDA_PROMPT_MODIFIER "($CONDA_DEFAULT_ENV) "
set -gx PATH $prefix/bin $PATH

# The prompt is a function. Wrapped once, it shows the innermost environment; and where conda or mamba has wrapped
# it already, theirs does.
if not begin
        functions -q _conda_pack_fish_prompt
        or functions -q __conda_add_prompt
        or functions -q __mamba_add_prompt
    end
    functions -c fish_prompt _conda_pack_fish_prompt
    function _conda_pack_status
        return $argv[1]
    end
    function fish_prompt
        set -l last_status $status # which many a prompt shows
        echo -n -s "$CONDA_PROMPT_MODIFIER"
        _conda_pack_status $last_status
        _conda_pack_fish_prompt
    end
end

# The packages' own hooks, in conda's order (by bytes; fish would put a10 after a9).
set -l hooks $prefix/etc/conda/activate.d/*.fish
for hook in (string join \n -- $hooks | env LC_ALL=C sort)
    source $hook
end
