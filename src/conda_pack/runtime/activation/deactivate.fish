# Leaves the environment that bin/activate.fish (or bin/activate, in a parent shell) activated last:
#   source path/to/env/bin/deactivate.fish
#
# What it gives back is explained in bin/deactivate.

if not set -q CONDA_PREFIX
    return 0
end
set -l level (math "0$CONDA_SHLVL" - 1)
set -l active CONDA_STACKED_(math $level + 1)
if test "$$active" != "$CONDA_PREFIX"
    echo "conda-pack: $CONDA_PREFIX was not activated by its bin/activate.fish; try: conda deactivate" >&2
    return 1
end

# 1. The packages' own hooks, while the environment is still there for them.
set -l hooks $CONDA_PREFIX/etc/conda/deactivate.d/*.fish
for hook in (string join \n -- $hooks | env LC_ALL=C sort)
    source $hook
end

# 2. The first mention of the environment on PATH is activate's; one further back was there before.
if set -l index (contains -i -- $CONDA_PREFIX/bin $PATH)
    set -e PATH[$index]
end

# 3. What activate.fish kept: what was unset is unset again.
set -e $active
for name in CONDA_PREFIX CONDA_DEFAULT_ENV CONDA_PROMPT_MODIFIER CONDA_SHLVL
    set -l kept {$name}_$level
    set -e $name
    if set -q $kept
        set -gx $name $$kept
        set -e $kept
    end
end

# 4. The prompt, unless it has another environment of ours to show.
set -l outer CONDA_STACKED_$level
if functions -q _conda_pack_fish_prompt; and not set -q $outer
    functions -e fish_prompt
    functions -c _conda_pack_fish_prompt fish_prompt
    functions -e _conda_pack_fish_prompt _conda_pack_status
end
