# Leaves the environment that bin/activate.fish (or bin/activate, in a parent shell) activated last:
#   source path/to/env/bin/deactivate.fish
#
# What it gives back is described in bin/deactivate, which sh runs for fish.

set -q CONDA_PREFIX; or return 0
set -l self (status filename)
string match -q '/*' -- $self; or set self ./$self
set -l commands (command sh (string replace -r '[^/]*$' '' -- $self)activation-for fish deactivate | string collect)
or return 1
eval $commands

# The prompt, unless it has another environment of ours to show.
set -l outer CONDA_STACKED_(math "0$CONDA_SHLVL")
if functions -q _conda_pack_fish_prompt; and not set -q $outer
    functions -e fish_prompt
    functions -c _conda_pack_fish_prompt fish_prompt
    functions -e _conda_pack_fish_prompt _conda_pack_status
end
