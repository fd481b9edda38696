# Activates this environment in fish:  source path/to/env/bin/activate.fish
# Undone by:                           source path/to/env/bin/deactivate.fish
#
# What is set, and what is kept for later, is described in bin/activate, which sh runs for fish.

set -l self (status filename)
if not test -f "$self"
    echo 'conda-pack: fish does not say where the environment is; source bin/activate.fish by its path.' >&2
    return 1
end
string match -q '/*' -- $self; or set self ./$self
set -l commands (command sh (string replace -r '[^/]*$' '' -- $self)activation-for fish activate | string collect)
or return 1
eval $commands

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
