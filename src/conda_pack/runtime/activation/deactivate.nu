# Leaves the environment that bin/activate.nu (or bin/activate, in a parent shell) activated last:
#   source path/to/env/bin/deactivate.nu
#
# What it gives back is described in bin/deactivate, which sh runs for nushell.

do --env {
    const helper = path self activation-for
    let changes = ^sh $helper json deactivate | from json
    hide-env --ignore-errors ...($changes | columns)
    for change in ($changes | transpose name value | where value != null) {
        load-env {$change.name: $change.value}
    }
    $env.PATH = ($env.PATH | split row (char esep))
}
