# Activates this environment in nushell:  source path/to/env/bin/activate.nu
# Undone by:                              source path/to/env/bin/deactivate.nu
#
# What is set, and what is kept for later, is described in bin/activate, which sh runs for nushell.

do --env {
    const helper = path self activation-for
    let changes = ^sh $helper json activate | from json
    hide-env --ignore-errors ...($changes | columns)
    for change in ($changes | transpose name value | where value != null) {
        load-env {$change.name: $change.value}
    }
    $env.PATH = ($env.PATH | split row (char esep))
}
